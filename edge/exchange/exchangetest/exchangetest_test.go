package exchangetest

import (
	"context"
	"errors"
	"io"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

func TestRequestIsAsAskedFor(t *testing.T) {
	t.Parallel()
	r := NewRequest("POST", "https://Example.com:8443/a/%62?q=1", Field("X-Y", "z"), Body("abc"), Client("[2001:db8::1]:9"))
	if got, want := r.Host+" "+r.Authority+" "+r.Path+" "+r.Query+" "+r.Scheme, "example.com example.com:8443 /a/b q=1 https"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Conn.TLS == nil || r.Conn.TLS.ServerName != "example.com" {
		t.Errorf("TLS facts: got %+v, want server name example.com", r.Conn.TLS)
	}
	if got := r.Conn.Client.String(); got != "[2001:db8::1]:9" {
		t.Errorf("client: got %s", got)
	}
	if got := r.Header.Get("x-y"); got != "z" {
		t.Errorf("x-y: got %q, want z", got)
	}
	if got := NewRequest("GET", "http://[::1]:80/").Host; got != "::1" {
		t.Errorf("host of an IPv6 literal: got %q, want ::1", got)
	}
}

func TestDoRecords(t *testing.T) {
	t.Parallel()
	h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		var hints exchange.Header
		hints.Append("link", "</a.css>; rel=preload")
		if err := r.Inform(103, &hints); err != nil {
			return nil, err
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		resp := r.NewResponse(200)
		resp.SetBytes(append([]byte("got "), body...))
		resp.Trailer.Append("x-end", "1")
		return resp, nil
	})
	got := Do(t, h, NewRequest("POST", "/", Chunked("it")))
	if got.Status != 200 || string(got.Body) != "got it" || got.Len != 6 || got.Trailer.Get("x-end") != "1" || got.Err != nil {
		t.Errorf("got %+v", got)
	}
	if len(got.Interim) != 1 || got.Interim[0].Status != 103 || got.Interim[0].Header.Len() != 1 {
		t.Errorf("interim: got %+v, want one 103", got.Interim)
	}
	if got := Do(t, h, NewRequest("HEAD", "/")); len(got.Body) != 0 || got.Len != 4 {
		t.Errorf("HEAD: got %+v", got)
	}
}

// good answers as it should.
func good(r *exchange.Request) (*exchange.Response, error) {
	resp := r.NewResponse(200)
	resp.Header.Append("content-type", "text/plain")
	resp.SetBytes([]byte("hello"))
	return resp, nil
}

// body answers 200 with b.
func body(b exchange.Body) func(*exchange.Request) (*exchange.Response, error) {
	return func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = b
		return resp, nil
	}
}

type onceClosed struct {
	exchange.Body
	closed bool
}

func (b *onceClosed) Close() error {
	if b.closed {
		return errors.New("closed already")
	}
	b.closed = true
	return nil
}

type lying struct{ exchange.Body }

func (lying) Len() int64 { return 3 }

func TestCheckHandlerFindsBreaches(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	for _, c := range []struct {
		name, want string
		h          exchange.HandlerFunc
	}{
		{"good", "", good},
		{"nothing", "no result", func(*exchange.Request) (*exchange.Response, error) { return nil, nil }},
		{"both", "both results", func(r *exchange.Request) (*exchange.Response, error) {
			return r.NewResponse(200), exchange.ErrNotFound
		}},
		{"status", "status 42", func(r *exchange.Request) (*exchange.Response, error) { return r.NewResponse(42), nil }},
		{"nil body", "body is nil", body(nil)},
		{"second close", "closed already", func(r *exchange.Request) (*exchange.Response, error) {
			return body(&onceClosed{Body: exchange.NewBytes(nil)})(r)
		}},
		{"long body", "got 5 bytes", func(r *exchange.Request) (*exchange.Response, error) {
			return body(lying{exchange.NewBytes([]byte("hello"))})(r)
		}},
		{"bad field", "forbidden characters", func(r *exchange.Request) (*exchange.Response, error) {
			resp, err := good(r)
			resp.Header.Append("x", "a\r\nb: c")
			return resp, err
		}},
		{"upper case", "lower case", func(r *exchange.Request) (*exchange.Response, error) {
			resp, err := good(r)
			resp.Header.Append("X-Y", "z")
			return resp, err
		}},
		{"framing", "transfer-encoding is the protocol's", func(r *exchange.Request) (*exchange.Response, error) {
			resp, err := good(r)
			resp.Header.Append("transfer-encoding", "chunked")
			return resp, err
		}},
		{"late header", "response header changed", func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Body = exchange.NewBody(strings.NewReader("x"), 1, func() error {
				resp.Header.Append("late", "1")
				return nil
			})
			return resp, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckHandler(c.h, Ask{Method: "GET", Target: "/"})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestLeaks_WaitsForGoroutinesThatEnd(t *testing.T) {
	t.Parallel()
	stop, started := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- errors.Join(leaks(func() { go func() { <-stop }(); close(started) })...)
	}()
	<-started
	close(stop)
	if err := <-ended; err != nil {
		t.Errorf("goroutine that ends late: got %v, want none left", err)
	}
}

func TestMarked_FindsInheritedLabelsOnly(t *testing.T) {
	t.Parallel()
	stop, started := make(chan struct{}), make(chan struct{})
	defer close(stop)
	go func() { <-stop }() // somebody else's
	pprof.Do(t.Context(), pprof.Labels("exchangetest", "mine"), func(context.Context) {
		go func() { // a child, and a child of that
			go func() { close(started); <-stop }()
		}()
	})
	<-started
	if got := marked("mine"); strings.Count(got, `"mine"`) != 1 || !strings.Contains(got, "TestMarked") {
		t.Errorf("got %q, want one goroutine of this test", got)
	}
	if got := marked("min"); got != "" {
		t.Errorf("got %q for another mark", got)
	}
}

func TestCheckFilterFindsBreaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		f          exchange.FilterFunc
	}{
		{"good", "", func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) { return next.Handle(r) }},
		{"local reply", "", func(r *exchange.Request, _ exchange.Handler) (*exchange.Response, error) { return good(r) }},
		{"twice", "next called 2 times", func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
			if resp, err := next.Handle(r); err == nil {
				resp.Body.Close()
			}
			return next.Handle(r)
		}},
		{"drops", "left open", func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
			if _, err := next.Handle(r); err != nil {
				return nil, err
			}
			return &exchange.Response{Status: 200, Body: exchange.NoBody}, nil
		}},
		{"other request", "another request", func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
			other := *r
			return next.Handle(&other)
		}},
		{"hides the cut", "got a complete one", func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
			resp, err := next.Handle(r)
			if err != nil {
				return nil, err
			}
			resp.Body = hiding{resp.Body}
			return resp, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckFilter(c.f)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// hiding makes every end of a body a proper one.
type hiding struct{ exchange.Body }

func (h hiding) Read(p []byte) (int, error) {
	n, err := h.Body.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func TestContextOption(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := NewRequest("GET", "/", Context(ctx)).Context().Err(); got != context.Canceled {
		t.Errorf("got %v, want %v", got, context.Canceled)
	}
}
