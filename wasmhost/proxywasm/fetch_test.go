package proxywasm

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// streaming is an upstream that answers with a body.
func streaming(body exchange.Body) upstreamFunc {
	return func(_ *exchange.Call, resp *exchange.Response) error {
		resp.Status, resp.Body = 200, body
		resp.Header.Append("x-a", "1")
		return nil
	}
}

// fetches begins a fetch of the root's and returns its token.
func (r *rig) fetches() uint64 {
	return r.begins(&r.rt.guestContext, ext.Fetch, "backend", callHead, "", 1000)
}

// head reads the answer's head, and whether more is to be read.
func (r *rig) head(token uint64) (pairs, body string, more uint64, trailer string) {
	r.tb.Helper()
	st, f := r.late(token)
	if st != abi.OK {
		r.tb.Fatalf("answer: got %d %q", st, f.Text())
	}
	pairs, body, more = f.Text(), f.Text(), f.Uint()
	if more == 0 {
		trailer = f.Text()
	}
	if err := f.End(); err != nil {
		r.tb.Errorf("answer: %v", err)
	}
	return pairs, body, more, trailer
}

// reads asks for the next piece.
func (r *rig) reads(token uint64) (abi.Status, string) {
	r.tb.Helper()
	if st, _ := r.foreign(&r.rt.guestContext, ext.FetchRead, token); st != abi.OK {
		r.tb.Fatalf("read: got %d", st)
	}
	st, f := r.late(token)
	text := f.Text()
	if err := f.End(); err != nil {
		r.tb.Errorf("piece: %v", err)
	}
	return st, text
}

func TestFetch_BringsShortAnswersWhole(t *testing.T) {
	t.Parallel()
	calls := make(chan *exchange.Call, 1)
	r := newRig(t, upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
		calls <- c
		return answering(201, "hello", "x-t", "2")(c, resp)
	}))
	head := pairsOf(":method", "POST", ":path", "/a?b", ":authority", "Host.example", "X-Mixed", "v", "connection", "close")
	token := r.begins(&r.rt.guestContext, ext.Fetch, "backend", head, "body", 1000)
	c := <-calls
	if c.Method != "POST" || c.Target != "/a?b" || c.Authority != "host.example" || c.Header.Len() != 1 || c.Header.Get("x-mixed") != "v" {
		t.Errorf("call = %s %s of %q with %d fields", c.Method, c.Target, c.Authority, c.Header.Len())
	}
	if b, _ := io.ReadAll(c.Body); string(b) != "body" {
		t.Errorf("call has body %q", b)
	}
	if left := time.Until(c.Deadline); left <= 0 || left > time.Second {
		t.Errorf("call has %v left, want at most a second", left)
	}
	pairs, body, more, trailer := r.head(token)
	if pairs != pairsOf(":status", "201", "x-a", "1") || body != "hello" || more != 0 || trailer != pairsOf("x-t", "2") {
		t.Errorf("got %q, %q, %d, %q", pairs, body, more, trailer)
	}
	if st, _ := r.foreign(&r.rt.guestContext, ext.FetchRead, token); st != abi.BrokenConnection {
		t.Errorf("read of what is over: got %d, want %d", st, abi.BrokenConnection)
	}
	if n := r.plugin.Counters.Callouts.Load(); n != 1 {
		t.Errorf("%d callouts counted, want 1", n)
	}
}

func TestFetch_LetsOthersBeReadAsTheyCome(t *testing.T) {
	t.Parallel()
	s := newSlow()
	closed := make(chan bool, 1)
	r := newRig(t, streaming(exchange.NewBody(s, -1, func() error { closed <- true; return nil })))
	token := r.fetches()
	if pairs, body, more, _ := r.head(token); pairs != pairsOf(":status", "200", "x-a", "1") || body != "" || more != 1 {
		t.Errorf("got %q, %q, %d", pairs, body, more)
	}
	long := strings.Repeat("x", shortPiece+chunk+1)
	go feeding(s, "one", long)
	if st, text := r.reads(token); st != abi.OK || text != "one" {
		t.Errorf("got %d %q", st, text)
	}
	for _, n := range []int{shortPiece, chunk, 1} {
		if st, text := r.reads(token); st != abi.OK || text != long[:n] {
			t.Errorf("got %d, %d bytes, want %d", st, len(text), n)
		}
	}
	if st, text := r.reads(token); st != abi.Empty || text != pairsOf() {
		t.Errorf("end: got %d %q", st, text)
	}
	<-closed
	if st, _ := r.foreign(&r.rt.guestContext, ext.FetchRead, token); st != abi.BrokenConnection {
		t.Errorf("read after the end: got %d, want %d", st, abi.BrokenConnection)
	}
}

func TestFetch_TellsOfFailure(t *testing.T) {
	t.Parallel()
	refused := upstreamFunc(func(*exchange.Call, *exchange.Response) error { return errors.New("dial: refused") })
	cut := streaming(exchange.NewBody(strings.NewReader("x"), 2, nil))
	for _, c := range []struct {
		name, target string
		up           upstreamFunc
		st           abi.Status
		text         string
	}{
		{"no connection", "backend", refused, abi.BrokenConnection, "dial: refused"},
		{"cut", "backend", cut, abi.BrokenConnection, "read answer: unexpected EOF"},
		{"no grant", "other", cut, ext.Denied, `find upstream: no upstream "other"`},
		{"no name", strings.Repeat("x", 2000), cut, ext.Denied, "find upstream: its name is too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.up)
			token := r.begins(&r.rt.guestContext, ext.Fetch, c.target, callHead, "", 0)
			if st, f := r.late(token); st != c.st || f.Text() != c.text || f.End() != nil {
				t.Errorf("got %d %v", st, f)
			}
		})
	}
	r := newRig(t, streaming(exchange.NewBody(io.MultiReader(strings.NewReader("x"), reader(func([]byte) (int, error) {
		return 0, io.ErrUnexpectedEOF
	})), -1, nil)))
	token := r.fetches()
	r.head(token)
	if st, text := r.reads(token); st != abi.OK || text != "x" {
		t.Errorf("got %d %q", st, text)
	}
	if st, text := r.reads(token); st != abi.BrokenConnection || text != "read answer: unexpected EOF" {
		t.Errorf("got %d %q", st, text)
	}
}

func TestFetch_RefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSlow()
	r := newRig(t, streaming(s))
	c := &r.rt.guestContext
	for _, args := range [][]any{
		{}, {"backend"}, {"backend", callHead, ""}, {"backend", callHead, "", "1000"}, {"backend", callHead, "", 1 << 40},
		{"backend", callHead, "", 0, 0}, {"backend", "no pairs", "", 0}, {"backend", "", "", 0}, {"backend", pairsOf(":method", "GET"), "", 0},
	} {
		if st, _ := r.foreign(c, ext.Fetch, args...); st != abi.BadArgument {
			t.Errorf("%q: got %d, want %d", args, st, abi.BadArgument)
		}
	}
	if st, _ := r.foreign(c, ext.Fetch, "backend", callHead, strings.Repeat("x", 4097), 0); st != abi.InternalFailure {
		t.Errorf("long body: got %d, want %d", st, abi.InternalFailure)
	}
	for _, args := range [][]any{{}, {"x"}, {1, 1}} {
		if st, _ := r.foreign(c, ext.FetchRead, args...); st != abi.BadArgument {
			t.Errorf("read %q: got %d, want %d", args, st, abi.BadArgument)
		}
	}
	timer := r.begins(c, ext.Timer, 1_000_000)
	for _, token := range []uint64{0, 99, 1 << 40, timer} {
		if st, _ := r.foreign(c, ext.FetchRead, token); st != abi.NotFound {
			t.Errorf("read of %d: got %d, want %d", token, st, abi.NotFound)
		}
	}
	token := r.fetches()
	r.head(token)
	if st, _ := r.foreign(c, ext.FetchRead, token); st != abi.OK {
		t.Errorf("read: got %d", st)
	}
	if st, _ := r.foreign(c, ext.FetchRead, token); st != abi.BadArgument {
		t.Errorf("second read: got %d, want %d", st, abi.BadArgument)
	}
	close(s.pieces)
	r.late(token)
	r.silent()
}

// A token that cannot be told is none, and what was begun for it is given up.
func TestFetch_WithNowhereToPutItsToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstreamFunc(func(c *exchange.Call, _ *exchange.Response) error {
		t.Error("the call was made")
		return lostInterest(c)
	}))
	wild := rigPages << 16
	if st := r.callIn(&r.rt.guestContext, "proxy_call_foreign_function", ext.Fetch, fields("backend", callHead, "", 0), wild, wild); st != abi.InvalidMemoryAccess {
		t.Errorf("got %d, want %d", st, abi.InvalidMemoryAccess)
	}
	r.held(func() {
		if n := len(r.i.calls.out); n != 0 || r.i.calls.running.Load() != 0 {
			t.Errorf("%d calls are under way, %d run", n, r.i.calls.running.Load())
		}
	})
}

func TestCancel_EndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 4)
	closed := make(chan bool, 1)
	s := newSlow()
	r := newRig(t, upstreamFunc(func(c *exchange.Call, resp *exchange.Response) error {
		if c.Target == "/wait" {
			err := lostInterest(c)
			ended <- err
			return err
		}
		return streaming(exchange.NewBody(s, -1, func() error { closed <- true; return nil }))(c, resp)
	}))
	c := &r.rt.guestContext
	cancel := func(token uint64, want abi.Status) {
		t.Helper()
		if st, f := r.foreign(c, ext.Cancel, token); st != want || f.End() != nil {
			t.Errorf("cancel %d: got %d, want %d", token, st, want)
		}
	}
	for range 5 { // more than may be under way
		timer := r.begins(c, ext.Timer, 1_000_000)
		cancel(timer, abi.OK)
		cancel(timer, abi.NotFound)
	}
	token := r.begins(c, ext.Fetch, "backend", pairsOf(":method", "GET", ":path", "/wait", ":authority", ""), "", 0)
	cancel(token, abi.OK)
	if err := <-ended; err != errCanceled {
		t.Errorf("ended by %v", err)
	}
	token = r.fetches()
	r.head(token)
	cancel(token, abi.OK)
	<-closed
	r.want(abi.OK, "proxy_http_call", "backend", pairsOf(":method", "GET", ":path", "/wait", ":authority", ""), "", "", 0, out)
	cancel(uint64(r.uint32(out)), abi.OK)
	<-ended
	if st, _ := r.foreign(c, ext.Cancel); st != abi.BadArgument {
		t.Errorf("cancel nothing: got %d", st)
	}
	r.silent()
}

// An answer that nobody reads holds its place until its time is over; one that is waited
// for is told so.
func TestFetch_EndsWithItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan bool, 2)
		s := newSlow()
		r := newRig(t, streaming(exchange.NewBody(s, -1, func() error { closed <- true; return nil })))
		defer r.guests.Close()
		token := r.fetches()
		r.head(token)
		began := time.Now()
		<-closed
		if took := time.Since(began); took > time.Second {
			t.Errorf("closed after %v, want a second", took)
		}
		synctest.Wait()
		if st, _ := r.foreign(&r.rt.guestContext, ext.FetchRead, token); st != abi.BrokenConnection {
			t.Errorf("read: got %d, want %d", st, abi.BrokenConnection)
		}
		r.silent()
	})
}
