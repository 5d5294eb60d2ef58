package proxywasm

import (
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

// A request's body is read by whoever sends it to an upstream; what the guest says to the
// client meanwhile waits for the exchange's goroutine, which alone speaks to the client.
func TestInform_WaitsForTheExchange(t *testing.T) {
	t.Parallel()
	paused := make(chan *stream, 1)
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch {
		case cb == "proxy_on_request_body" && a[2] == 1:
			m.ask(ext.Inform, 103, pairsOf("link", "</a>"))
			paused <- m.i.effective.stream
			return pause
		case cb == onResponseHeaders:
			m.resume(abi.Request)
		}
		return 0
	})
	s := newSlow()
	go feeding(s, "one")
	read := make(chan error, 1)
	within(t, 10*time.Second, "the exchange", func() {
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			go func() { _, err := io.Copy(io.Discard, r.Body); read <- err }()
			signal := (<-paused).in.signal
			for range 3 { // who reads has looked at all that there was when it looks again
				signal <- struct{}{}
				for len(signal) > 0 {
					runtime.Gosched()
				}
			}
			if n := len(r.Stream().(*exchangetest.Recorder).Interim); n != 0 {
				t.Errorf("%d interim responses were sent by who reads the body", n)
			}
			resp := r.NewResponse(200)
			resp.Body = exchange.NewBody(strings.NewReader("two"), 3, func() error { return <-read })
			return resp, nil
		}, "POST", "/", s.option())
		if len(got.Interim) != 1 || got.Interim[0].Status != 103 || got.Status != 200 {
			t.Errorf("got %+v, then %d; want 103, then 200", got.Interim, got.Status)
		}
	})
}

// What a stream has asked for and does not pay for any longer, since it is over, is
// nobody's request.
func TestSecurity_W7_AnswersForNobodyRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRigOf(t, nil, busy(rigModule(), "proxy_on_foreign_function"))
		var s *stream
		r.held(func() { s = newStream(r.i, r.rt, newRequest()) })
		const timers = 3
		for range timers {
			if st := r.callIn(&s.guestContext, "proxy_call_foreign_function", ext.Timer, fields(1000), rigSlots, rigSlots+4); st != abi.OK {
				t.Fatalf("timer: status %d", st)
			}
		}
		r.held(func() { delete(r.i.contexts, s.id) }) // as at its end
		begin := time.Now()
		for range timers {
			r.await("proxy_on_foreign_function")
		}
		if rested := time.Since(begin) - time.Second; rested < (timers-1)*restFor*time.Millisecond {
			t.Errorf("rested %v between %d answers", rested, timers)
		}
	})
}

// served is what services answer.
type served func(argument []byte) []byte

func (served) Has(name string) bool { return name == ext.StoreList || name == ext.Sign }

func (f served) Call(_ context.Context, _ string, argument []byte) ([]byte, abi.Status, error) {
	return f(argument), abi.OK, nil
}

// What services do takes time on other goroutines. The request pays for it, by what it
// gives them and gets of them, and so cannot keep them at work for ever.
func TestSecurity_W7_StreamsPayForServices(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name     string
		argument string
		answer   string
	}{{"much to do", large, ""}, {"much to tell", "", large}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
				if cb == onRequestHeaders || cb == "proxy_on_foreign_function" {
					if asked++; asked == 200 {
						m.resume(abi.Request)
						return 0
					}
					m.askRaw(ext.Sign, []byte(c.argument))
					return pause
				}
				return 0
			}, func(p *guest.Plugin) {
				p.Limits.Body, p.Limits.Request = 2<<20, 100*time.Millisecond
				p.Services = served(func([]byte) []byte { return []byte(c.answer) })
			})
			if got := b.do(echo, "GET", "/"); asked > 60 || got.Err == nil {
				t.Errorf("the guest has asked %d times; %v", asked, got.Err)
			}
		})
	}
}

// In nobody's time, much that services tell is followed by a rest.
func TestSecurity_W7_AnswersOfServicesRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.plugin.Services = served(func([]byte) []byte { return make([]byte, 1<<20) })
		begin := time.Now()
		for range 2 {
			if st := r.call("proxy_call_foreign_function", ext.StoreList, "", rigSlots, rigSlots+4); st != abi.OK {
				t.Fatalf("status %d", st)
			}
			r.await("proxy_on_foreign_function")
		}
		if rested := time.Since(begin); rested < restFor*5*time.Millisecond {
			t.Errorf("rested %v after a MiB", rested)
		}
	})
}

// An allocator that asks for something itself does not make the host forget what was
// asked for before.
func TestSecurity_W6_CallsWithinCallsAreAllMade(t *testing.T) {
	t.Parallel()
	m := rigModule()
	const again = rigSlots + 0x40
	name, argument := ext.Fetch, fields("nobody", callHead, "", 0)
	for k := range m.Funcs {
		if f := &m.Funcs[k]; f.Name == "malloc" {
			f.Body = append(Code{I32Const, again, I32Load, 2, 0, If, Void, I32Const, again, I32Const, 0, I32Store, 2, 0,
				I32Const, rigText, I32Const, len(name), I32Const, rigText + len(name), I32Const, len(argument), I32Const, 0, I32Const, 0,
				Call, "proxy_call_foreign_function", Drop, End}, f.Body...)
		}
	}
	r := newRigOf(t, nil, m)
	r.held(func() { r.i.vm.PutUint32(again, 1) })
	if st := r.call("proxy_call_foreign_function", name, argument, rigSlots, rigSlots+4); st != abi.OK {
		t.Fatalf("status %d", st)
	}
	for range 2 {
		r.await("proxy_on_foreign_function")
	}
}

// What a guest has asked for when it was configured has tokens that no request gets.
func TestFresh_TokensAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[uint64]bool{}
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case cb == "proxy_on_context_create" && a[1] == 0:
			seen[m.token(ext.Timer, 3_600_000)] = true
		case cb == onRequestHeaders:
			if token := m.token(ext.Timer, 3_600_000); token == 0 || seen[token] {
				t.Errorf("token %d is one of the root's", token)
			}
		}
		return 0
	}, fresh)
	for range 2 {
		if got := b.do(echo, "GET", "/"); got.Status != 200 {
			t.Errorf("got %d, %v", got.Status, got.Err)
		}
	}
}

// To read the fields of a call takes time, also where the call is refused in the end.
func TestSecurity_W7_GuestsPayForFields(t *testing.T) {
	t.Parallel()
	pairs := strings.Split(strings.Repeat("a,b,", 1000)+"c,\n", ",")
	head := pairsOf(pairs...)
	asked := 0
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		if cb == onRequestHeaders {
			for range 10_000 {
				m.ask(ext.Fetch, "backend", head, "", 0)
				asked++
			}
		}
		return 0
	})
	if got := b.do(echo, "GET", "/"); asked > 500 || got.Err == nil {
		t.Errorf("the guest has asked %d times; %v", asked, got.Err)
	}
}

func TestReply_AnnouncesADecimalLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "7": 7, "00000000000000000007": 7, "00000000000000000007x": -1, "+7": -1, "7 ": -1, "": -1, "9223372036854775807": -1} {
		if n, ok := announced([]byte(pairsOf("Content-Length", text))); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v; want %d", text, n, ok, want)
		}
	}
}

// Passwords are hashed beside the requests; in nobody's time, the root rests for as long
// as for what it computes itself.
func TestSecurity_W7_HashesOfNobodyRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.plugin.Services = hashes(func() { time.Sleep(time.Second) })
		begin := time.Now()
		const n = 2
		for range n {
			if st := r.call("proxy_call_foreign_function", ext.PasswordHash, "", rigSlots, rigSlots+4); st != abi.OK {
				t.Fatalf("status %d", st)
			}
			r.await("proxy_on_foreign_function")
			synctest.Wait()
		}
		r.want(abi.OK, "proxy_set_tick_period_milliseconds", 1)
		r.await("proxy_on_tick")
		if rested := time.Since(begin); rested < n*restFor*time.Second {
			t.Errorf("rested %v after %d seconds of hashing", rested, n)
		}
	})
}

type hashes func()

func (hashes) Has(name string) bool { return name == ext.PasswordHash }

func (f hashes) Call(context.Context, string, []byte) ([]byte, abi.Status, error) {
	f()
	return nil, abi.OK, nil
}
