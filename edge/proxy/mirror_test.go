package proxy

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

// mirrored returns a Proxy over a pool, and one that gets copies.
func mirrored(t *testing.T, o Mirror, main, copies func(*exchange.Call, *exchange.Response) (upstream.Result, error)) *Proxy {
	t.Helper()
	o.Pool = new(upstream.Pool) // not asked
	m, err := newMirror(&o)
	if err != nil {
		t.Fatal(err)
	}
	m.pool = &scriptedPool{"mirror", copies}
	p := newTestProxy(t, Options{}, main)
	p.mirror = m
	return p
}

func TestMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var main, copies recordingPool
		p := mirrored(t, Mirror{Body: 10}, main.take, copies.take)
		cut := func(r *exchange.Request) {
			r.Body = exchange.NewBody(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)), -1, nil)
		}
		for _, c := range []struct {
			name string
			want bool
			body exchangetest.Option
		}{
			{"no body", true, func(*exchange.Request) {}},
			{"in memory", true, exchangetest.Body("0123456789")}, {"too large, in memory", false, exchangetest.Body("0123456789a")},
			{"streamed", true, exchangetest.Chunked("0123456789")}, {"too large, streamed", false, exchangetest.Chunked("0123456789a")},
			{"cut", false, cut}, {"upgrade", false, upgrade("websocket")},
		} {
			r := exchangetest.NewRequest("POST", "/a?b", c.body, exchangetest.Field("authorization", "Basic eDp5"))
			p.Handle(r)
			synctest.Wait()
			asked := main.last(t)
			if len(copies.calls) == 0 != !c.want {
				t.Errorf("%s: %d copies, want any: %v", c.name, len(copies.calls), c.want)
			} else if c.want {
				got := copies.last(t)
				if lines(&got.Header) != lines(&asked.Header) || got.body != asked.body || got.Target != asked.Target || got.Caller != nil || got.Deadline.IsZero() {
					t.Errorf("%s: got copy %+v of %+v", c.name, got, asked)
				}
			}
			copies.calls = nil
		}
	})
}

// TestMirrorNeverWaits: a mirror that hangs costs nobody anything but its copies.
func TestMirrorNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var main recordingPool
		var open int
		free := make(chan struct{})
		p := mirrored(t, Mirror{}, main.take, func(c *exchange.Call, _ *exchange.Response) (upstream.Result, error) {
			open++
			select {
			case <-free:
			case <-time.After(time.Until(c.Deadline)):
			}
			return upstream.Result{}, io.EOF
		})
		start := time.Now()
		for range 3 * mirrorsAtOnce {
			if _, err := p.Handle(exchangetest.NewRequest("GET", "/")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if open != mirrorsAtOnce || time.Since(start) != 0 || len(main.calls) != 3*mirrorsAtOnce {
			t.Errorf("%d copies after %v, %d calls, want %d at once", open, time.Since(start), len(main.calls), mirrorsAtOnce)
		}
		time.Sleep(mirrorTime + time.Second)
		p.Handle(exchangetest.NewRequest("GET", "/"))
		synctest.Wait()
		if open != mirrorsAtOnce+1 {
			t.Errorf("after their time: %d copies, want one more", open)
		}
		close(free)
	})
}

func TestMirrorOfSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var main, copies recordingPool
		p := mirrored(t, Mirror{Percent: 25}, main.take, copies.take)
		for range 1000 {
			p.Handle(exchangetest.NewRequest("GET", "/"))
			synctest.Wait()
		}
		if n := len(copies.calls); n < 180 || n > 320 {
			t.Errorf("25 percent of 1000: got %d", n)
		}
	})
}

// TestMirror_PausesAreNoFailures: a body that was interrupted for a moment is still
// copied as a whole.
func TestMirror_PausesAreNoFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var copies recordingPool
		m := mirrored(t, Mirror{Body: 10}, nil, copies.take).mirror
		pause := iotest.ErrReader(exchange.ErrPause)
		body := &pausing{parts: []io.Reader{strings.NewReader("ab"), pause, strings.NewReader("c")}}
		b := &copied{Body: body, mirror: m, double: &exchange.Call{}}
		var got []byte
		for err := error(nil); err != io.EOF; {
			var n int
			p := make([]byte, 10)
			n, err = b.Read(p)
			got = append(got, p[:n]...)
		}
		synctest.Wait()
		if last := copies.last(t); string(got) != "abc" || last.body != "abc" {
			t.Errorf("read %q, copied %q, want abc", got, last.body)
		}
	})
}

// pausing reads one part after the other; one that fails, fails once.
type pausing struct {
	exchange.Body
	parts []io.Reader
}

func (b *pausing) Read(p []byte) (int, error) {
	for len(b.parts) > 0 {
		n, err := b.parts[0].Read(p)
		if err != nil {
			b.parts = b.parts[1:]
		}
		if err != io.EOF {
			return n, err
		}
	}
	return 0, io.EOF
}
