package weir_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// dice decide by the bytes of an input: 0 when there are none left.
type dice struct{ b []byte }

func (d *dice) roll(n int) int {
	if len(d.b) == 0 {
		return 0
	}
	v := int(d.b[0]) % n
	d.b = d.b[1:]
	return v
}

// waits is what a filter waits for, one after the other.
type waits []int

func (d *dice) waits() (all waits) {
	for range d.roll(4) {
		all = append(all, d.roll(6))
	}
	return all
}

func (all waits) do() error {
	for _, w := range all {
		switch w {
		case 0:
			if err := weir.Sleep(3 * time.Millisecond); err != nil {
				return err
			}
		case 1, 2:
			a, err := weir.Fetch("users", &weir.Call{Timeout: 5 * time.Millisecond})
			if errors.Is(err, weir.ErrGone) {
				return err
			}
			if err == nil && w == 1 {
				if _, err = a.Body.ReadAll(1 << 10); errors.Is(err, weir.ErrGone) {
					return err
				}
			}
		case 3:
			if _, err := (weir.Store{}).Put("k", []byte("v"), weir.PutOptions{}); errors.Is(err, weir.ErrGone) {
				return err
			}
		case 4:
			weir.Counter("n").Add(1)
		}
	}
	return nil
}

// treatment is what a filter does with one of the bodies.
type treatment struct {
	before waits
	read   int // 0: nothing, 1: a byte, 2: a chunk, 3: all
	then   int // 0: nothing, 1: upper, 2: another body
	each   waits
	after  waits
}

func (d *dice) treatment() treatment {
	return treatment{d.waits(), d.roll(4), d.roll(3), d.waits(), d.waits()}
}

func (p treatment) want(body string) string {
	return [...]string{body, strings.ToUpper(body), "another"}[p.then]
}

func (p treatment) do(body *weir.Body, set func([]byte), transform func(func(*weir.Writer, *weir.Body) error)) error {
	if err := p.before.do(); err != nil {
		return err
	}
	var err error
	switch p.read {
	case 1:
		_, err = body.Read(make([]byte, 1))
	case 2:
		_, err = body.Chunk()
	case 3:
		_, err = body.ReadAll(1 << 10)
	}
	if errors.Is(err, weir.ErrGone) {
		return err
	}
	switch p.then {
	case 1:
		transform(func(dst *weir.Writer, src *weir.Body) error {
			for {
				c, err := src.Chunk()
				if err != nil {
					return end(err)
				}
				if err := p.each.do(); err != nil {
					return err
				}
				if _, err := dst.WriteString(strings.ToUpper(string(c))); err != nil {
					return err
				}
			}
		})
	case 2:
		set([]byte("another"))
	}
	return p.after.do()
}

// program is what a filter does.
type program struct {
	request, response treatment
	// answer is 1: its own, 2: its own, streamed, 3: an error, 4: its own in place of the
	// response, 5: what the client sends, as it comes; else next's.
	answer int
}

// echo answers with what the client sends.
func (p program) echo(r *weir.Request) error {
	if err := p.request.before.do(); err != nil {
		return err
	}
	r.Body.Take()
	w, err := r.Respond(200)
	for err == nil {
		var c []byte
		if c, err = r.Body.Chunk(); err == nil {
			_, err = w.Write(c)
		}
		if err == nil {
			err = p.request.each.do()
		}
	}
	return end(err)
}

func (p program) filter(r *weir.Request, next weir.Next) (*weir.Response, error) {
	if p.answer == 5 {
		return nil, p.echo(r)
	}
	if err := p.request.do(r.Body, r.SetBody, r.Transform); err != nil {
		return nil, err
	}
	switch p.answer {
	case 1:
		return weir.Reply(201, "own"), nil
	case 2:
		w, err := r.Respond(201)
		for _, c := range "own" {
			if err == nil {
				_, err = w.WriteString(string(c))
			}
			if err == nil {
				err = p.request.each.do()
			}
		}
		return nil, err
	case 3:
		return nil, errors.New("out of order")
	}
	resp, err := next(r)
	if err != nil {
		return nil, err
	}
	if err := p.response.do(resp.Body, resp.SetBody, resp.Transform); err != nil {
		return nil, err
	}
	if p.answer == 4 {
		return weir.Reply(201, "own"), nil
	}
	return resp, nil
}

// attempt is a request with its program, and what its client has still to send.
type attempt struct {
	program
	x       *sdktest.Exchange
	sent    string
	rest    []string
	trailer sdktest.Header
	answer  *sdktest.Answer
	left    bool
}

func (d *dice) body() (all []string) {
	for range d.roll(4) {
		all = append(all, "some more of it"[:d.roll(9)])
	}
	return all
}

func (d *dice) attempt(h *sdktest.Host) *attempt {
	a := &attempt{program: program{d.treatment(), d.treatment(), d.roll(8)}, rest: d.body()}
	if d.roll(3) == 1 {
		a.trailer = sdktest.Fields("x-sum", "7")
	}
	a.answer = &sdktest.Answer{Chunks: d.body(), Delay: time.Duration(d.roll(3)) * time.Millisecond, Pause: time.Duration(d.roll(3)) * time.Millisecond}
	if a.answer.Chunks == nil || d.roll(4) == 1 {
		a.answer.Body, a.answer.Chunks = strings.Join(a.answer.Chunks, ""), nil
	}
	a.sent = strings.Join(a.rest, "")
	return a
}

// act has the client, or the clock, do something.
func (d *dice) act(h *sdktest.Host, all []*attempt) {
	a := all[d.roll(len(all))]
	switch kind := d.roll(12); {
	case a.x.Done():
		h.Advance(time.Millisecond)
	case kind < 5:
		a.send()
	case kind == 5:
		a.x.Stall()
	case kind == 6:
		a.x.Resume()
	case kind == 7 && d.roll(4) == 1:
		a.left = true
		a.x.Leave()
	default:
		h.Advance(time.Duration(d.roll(4)) * time.Millisecond)
	}
}

// begin sends the request: all of it, or its head.
func (a *attempt) begin(h *sdktest.Host, path string, whole bool) {
	r := &sdktest.Request{Method: "POST", Path: path}
	if whole {
		r.Body, a.rest, r.Trailer = a.sent, nil, a.trailer
		a.x = h.Begin(r)
		return
	}
	a.x = h.Open(r)
}

func (a *attempt) send() {
	switch {
	case len(a.rest) > 0:
		piece := a.rest[0]
		a.rest = a.rest[1:]
		a.x.Send(piece)
	case !a.x.Whole():
		a.x.End(a.trailer...)
	}
}

// check sees whether what came of an attempt is what its program says.
func (a *attempt) check(t *testing.T, h *sdktest.Host, plain bool) {
	resp := a.x.Response()
	why := fmt.Sprintf("%+v; sent %q, answered %q %q; plain: %v", a.program, a.sent, a.answer.Body, a.answer.Chunks, plain)
	if r, whole := a.x.Forwarded(); whole {
		if want := a.request.want(a.sent); r.Body != want {
			t.Fatalf("request: got %q, want %q: %s", r.Body, want, why)
		}
	}
	answered := a.answer.Body + strings.Join(a.answer.Chunks, "")
	switch {
	case resp.Cut != nil && a.left:
	case resp.Cut != nil && plain && h.Logged("there is none here"): // which only weir can do
	case plain && a.program.answer == 5: // which only weir can do, unless there is no body
	case resp.Cut == nil && a.program.answer == 5:
		if resp.Status != 200 || resp.Body != a.sent {
			t.Fatalf("echo: got %d, %q: %s", resp.Status, resp.Body, why)
		}
	case resp.Cut != nil:
		t.Fatalf("it was cut: %s\n%v", why, h.Log())
	case resp.Status == 201 && resp.Body != "own", resp.Status == 200 && resp.Body != a.response.want(answered):
		t.Fatalf("response: got %q: %s", resp.Body, why)
	case resp.Status != 201 && (a.program.answer == 1 || a.program.answer == 2 || a.program.answer == 4),
		resp.Status != 500 && a.program.answer == 3,
		resp.Status != 200 && (a.program.answer == 0 || a.program.answer > 4):
		t.Fatalf("status: got %d: %s\n%v", resp.Status, why, h.Log())
	}
}

func flow(t *testing.T, input []byte) {
	d := &dice{input}
	plain := d.roll(2) == 1
	programs := map[string]*attempt{}
	options := []sdktest.Option{sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		return programs[r.Path()].filter(r, next)
	})}
	if plain {
		options = append(options, sdktest.Plain())
	}
	h := sdktest.New(t, options...)
	h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Chunks: d.body(), Delay: time.Duration(d.roll(8)) * time.Millisecond, Pause: time.Duration(d.roll(3)) * time.Millisecond}
	})
	h.Next(func(r *sdktest.Request) *sdktest.Answer { return programs[r.Path].answer })
	var all []*attempt
	for i := range 1 + d.roll(3) {
		a := d.attempt(h)
		all = append(all, a)
		path := fmt.Sprint("/", i)
		programs[path] = a
		a.begin(h, path, d.roll(4) == 1)
	}
	for len(d.b) > 0 {
		d.act(h, all)
	}
	for _, a := range all {
		for !a.x.Done() && !a.x.Whole() {
			a.send()
		}
		a.x.Resume()
	}
	for _, a := range all {
		a.x.Wait()
		a.check(t, h, plain)
	}
	if plain {
		h.Advance(time.Minute) // calls cannot be taken back there
	}
	if w := h.Waiting(); len(w) > 0 {
		t.Fatalf("still waits for %q", w)
	}
	for _, w := range h.Warnings() {
		if !plain || !strings.HasPrefix(w, "a body was changed where there is none") {
			t.Fatalf("warning: %s", w)
		}
	}
}

// FuzzFlow has filters wait in any order, against clients that send, stall and leave in
// any order: nothing may hang, panic, or lose a byte.
func FuzzFlow(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := make([]byte, 40+r.IntN(100))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(flow)
}

// TestFlow_OfManyPrograms is FuzzFlow with inputs that nobody has chosen.
func TestFlow_OfManyPrograms(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		b := make([]byte, 40+r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if flow(t, b); t.Failed() {
			t.Fatalf("input: %q", b)
		}
	}
}
