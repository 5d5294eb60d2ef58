// A filter that does what its path says.
package main

import (
	"io"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.RegisterConfigured(configured) }

func configured(c *weir.Config) (weir.Filter, error) {
	f := &filter{name: c.String("name", "nobody")}
	return f.handle, nil
}

type filter struct{ name string }

func (f *filter) handle(r *weir.Request, next weir.Next) (*weir.Response, error) {
	switch r.URLPath() {
	case "/wait":
		return f.wait(r, next)
	case "/trap":
		panic("as asked")
	case "/turn":
		r.Transform(turn)
		resp, err := next(r)
		if err == nil {
			resp.Transform(turn)
		}
		return resp, err
	case "/peek":
		return peek(r, next)
	case "/take":
		return take(r)
	case "/stream":
		return stream(r)
	case "/fetch":
		return fetch(r)
	}
	resp, err := next(r)
	if err == nil {
		resp.Header.Set("x-name", f.name)
	}
	return resp, err
}

// wait asks an upstream that takes its time.
func (f *filter) wait(r *weir.Request, next weir.Next) (*weir.Response, error) {
	a, err := weir.Fetch("slow", &weir.Call{Path: r.Path()})
	if err != nil {
		return nil, err
	}
	r.Header.Set("x-waited", a.Header.Get("x-answer"))
	return next(r)
}

// turn changes each byte, however the body is cut.
func turn(dst *weir.Writer, src *weir.Body) error {
	for {
		b, err := src.Chunk()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b {
			b[i] ^= 0x55
		}
		if _, err := dst.Write(b); err != nil {
			return err
		}
	}
}

// peek reads the body before it lets it go on, unchanged.
func peek(r *weir.Request, next weir.Next) (*weir.Response, error) {
	b, err := r.Body.ReadAll(1 << 20)
	if err != nil {
		return nil, err
	}
	sum := byte(0)
	for _, c := range b {
		sum += c
	}
	r.Header.Set("x-sum", string(rune('a'+sum%26)))
	return next(r)
}

// take reads a body of any length, and answers.
func take(r *weir.Request) (*weir.Response, error) {
	r.Body.Take()
	n := 0
	for {
		b, err := r.Body.Chunk()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		n += len(b)
	}
	return weir.Reply(200, itoa(n)), nil
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// stream answers piece by piece.
func stream(r *weir.Request) (*weir.Response, error) {
	status := 200
	if r.Path() == "/stream?204" {
		status = 204
	}
	w, err := r.Respond(status, weir.Field{Name: "content-type", Value: "text/event-stream"})
	if err != nil {
		return nil, err
	}
	for i := range 5 {
		if err := w.WriteEvent(weir.Event{Data: itoa(i)}); err != nil {
			return nil, err
		}
		if err := weir.Sleep(10 * time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// fetch answers with what an upstream says, as it comes.
func fetch(r *weir.Request) (*weir.Response, error) {
	a, err := weir.Fetch("slow", &weir.Call{Path: r.Path()})
	if err != nil {
		return nil, err
	}
	w, err := r.Respond(a.Status, weir.Field{Name: "x-answer", Value: a.Header.Get("x-answer")})
	if err != nil {
		return nil, err
	}
	for {
		b, err := a.Body.Chunk()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(b); err != nil {
			return nil, err
		}
	}
}

func main() {}
