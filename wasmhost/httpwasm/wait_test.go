package httpwasm_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// slow is a body that takes ten seconds to come.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	s.left--
	return copy(p, "x"), nil
}

// TestSlowBody: the time that a client takes is not the guest's, which is ended for its
// own.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	p := &guest.Plugin{Limits: vm.Limits{CPU: time.Second, Request: time.Second, Wall: time.Second}}
	f := probed(t, p, "")
	synctest.Test(t, func(t *testing.T) {
		r := exchangetest.NewRequest("POST", "/", tell("spin;read|0|100;spin", "spin", func(r *exchange.Request) {
			r.Body = exchange.NewBody(&slow{10}, -1, nil)
		})...)
		res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(plain), f), r)
		if res.Status != 200 || res.Header.Get("x-asked") != "[xxxxxxxxxx]1;" {
			t.Errorf("got %d %v, read %q; want 200 and the whole body", res.Status, res.Err, res.Header.Get("x-asked"))
		}
	})
}

// tunnel is the upstream's end of a connection that has switched protocols.
type tunnel struct {
	exchange.Tunnel
	closed bool
}

func (u *tunnel) Close() error {
	u.closed = true
	return nil
}

// TestUpgrade: a switch to another protocol passes the guest, unless the guest, or its
// failing, refuses it.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	f := probed(t, &guest.Plugin{}, "features 3")
	for _, tt := range []struct {
		answer string
		status int
	}{{"status;set|1|a|b", 101}, {"setstatus|403", 403}, {"trap", 0}} {
		r := exchangetest.NewRequest("GET", "/", tell("read|0|10;write|0|x", tt.answer)...)
		r.Upgrade = "websocket"
		u := &tunnel{}
		resp, err := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			if r.Body != exchange.NoBody {
				t.Errorf("%s: the request has got a body", tt.answer)
			}
			resp := r.NewResponse(101)
			resp.Tunnel = u
			return resp, nil
		}), f).Handle(r)
		switch {
		case tt.status == 0:
			if _, ok := errors.AsType[*exchange.Error](err); !ok || !u.closed {
				t.Errorf("%s: got %v, tunnel closed %v; want an error and a closed tunnel", tt.answer, err, u.closed)
			}
		case err != nil || resp.Status != tt.status || (resp.Tunnel == nil) != (tt.status != 101) || u.closed != (tt.status != 101):
			t.Errorf("%s: got %+v, %v, tunnel closed %v; want %d", tt.answer, resp, err, u.closed, tt.status)
		}
	}
}

// upload is a body that ends with a trailer when it is told to.
type upload struct {
	r   *exchange.Request
	end chan struct{}
}

func (u *upload) Read([]byte) (int, error) {
	<-u.end
	u.r.Trailer.Append("x-sum", "7")
	return 0, io.EOF
}

// TestTrailersOfAnUpload: an upstream may answer while the request still comes, on a
// goroutine of its own; its trailers are nobody's then. The race detector looks on.
func TestTrailersOfAnUpload(t *testing.T) {
	t.Parallel()
	f := probed(t, &guest.Plugin{}, "")
	u := &upload{end: make(chan struct{})}
	r := exchangetest.NewRequest("POST", "/", tell("", strings.Repeat("values|2|x-sum;names|2;", 50), func(r *exchange.Request) {
		r.Body = exchange.NewBody(u, -1, nil)
	})...)
	u.r = r
	read := make(chan struct{})
	res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		go func() { io.Copy(io.Discard, r.Body); close(read) }()
		close(u.end)
		return plain(r)
	}), f), r)
	if res.Status != 200 || strings.Contains(res.Header.Get("x-answered"), "7;") {
		t.Errorf("got %d %q, want no trailer", res.Status, res.Header.Get("x-answered"))
	}
	<-read
}
