package proxy

import (
	"io"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

// TestHostile_EmptyCookieLosesNoOther: a crumb without anything in it is no reason to
// forget the others.
func TestHostile_EmptyCookieLosesNoOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{"a=1", "b=2", ""}, "a=1; b=2"},
		{[]string{"", "a=1", "", "b=2"}, "a=1; b=2"},
		{[]string{"a=1;", "b=2"}, "a=1; b=2"},
		{[]string{"", ""}, ""},
	} {
		var options []exchangetest.Option
		for _, line := range c.lines {
			options = append(options, exchangetest.Field("cookie", line))
		}
		got := forwarded(t, Options{}, exchangetest.NewRequest("GET", "/", options...))
		n := 0
		for range got.Header.Values("cookie") {
			n++
		}
		if n != 1 || got.Header.Get("cookie") != c.want {
			t.Errorf("cookies %q: got %d fields, %q, want one, %q", c.lines, n, got.Header.Joined("cookie"), c.want)
		}
	}
}

// TestSecurity_P9_TrailersNameNobody: what must not stand in a header must not come
// behind the body either; there are servers that put the two together.
func TestSecurity_P9_TrailersNameNobody(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		r := exchangetest.NewRequest("POST", "/", exchangetest.Body(""), func(r *exchange.Request) {
			r.Trusted = trusted
			r.Body = exchange.NewBody(strings.NewReader("abc"), -1, nil)
			for _, name := range []string{"x-sum", "remote-user", "x_forwarded_for", "ssl-client-verify", "x-auth-user"} {
				r.Trailer.Append(name, "1")
			}
		})
		var got exchange.Header
		p := newTestProxy(t, Options{}, func(c *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
			io.Copy(io.Discard, c.Body)
			got.CopyFrom(c.Trailer)
			resp.Status, resp.Body = 200, exchange.NoBody
			return upstream.Result{}, nil
		})
		if _, err := p.Handle(r); err != nil {
			t.Fatal(err)
		}
		want := "x-sum: 1\n"
		if trusted {
			want += "remote-user: 1\nssl-client-verify: 1\nx-auth-user: 1\n"
		}
		if lines(&got) != want {
			t.Errorf("trusted %v: the upstream got %q behind the body, want %q", trusted, lines(&got), want)
		}
	}
}

// TestShares_ByHeaderAreToldToCaches: the answer of one pool is not for those whom the
// other is to answer.
func TestShares_ByHeaderAreToldToCaches(t *testing.T) {
	t.Parallel()
	var s shares
	var pool recordingPool
	for _, o := range []Share{{Name: "X-Canary", Value: "*"}, {Name: "x-canary", Value: "2"}, {Name: "x-beta", Value: "1"}, {}} {
		if err := s.add(&scriptedPool{"main", pool.take}, o); err != nil {
			t.Fatal(err)
		}
	}
	p, err := assemble(Options{}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, fields := range [][]exchangetest.Option{nil, {exchangetest.Field("x-canary", "1")}} {
		resp, err := p.Handle(exchangetest.NewRequest("GET", "/", fields...))
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Joined("vary"); got != "x-canary, x-beta" {
			t.Errorf("Vary: got %q, want the fields that shares are chosen by", got)
		}
	}
}

// TestHostile_HoldingEnds: a body of unknown length that is larger than what is held goes
// on, whatever its size and that of the buffer.
func TestHostile_HoldingEnds(t *testing.T) {
	t.Parallel()
	for _, most := range []int64{1, 4095, 4096, 5000, 100_000} {
		for _, length := range []int64{-1, most + 1, 2 * most, most} {
			size := length
			if size < 0 {
				size = 3 * most
			}
			body := exchange.NewBody(io.LimitReader(letters{}, size), length, nil)
			held, whole, err := hold(body, most)
			if err != nil || whole != (size <= most) || whole && int64(len(held)) != size {
				t.Errorf("%d bytes of announced %d, holding %d: got %d, whole %v, %v", size, length, most, len(held), whole, err)
			}
			if got := cap(held); got > 64<<10 && int64(got) > 3*size {
				t.Errorf("%d bytes took a buffer of %d", size, got)
			}
		}
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
