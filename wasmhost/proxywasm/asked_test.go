package proxywasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// reading is a guest that holds a head and has the body shown by one order, to its end;
// then it does what then says.
func reading(d abi.Direction, order int, j *journal, then func(m *mind)) brain {
	headers, body, trailers := onRequestHeaders, "proxy_on_request_body", "proxy_on_request_trailers"
	if d == abi.Response {
		headers, body, trailers = onResponseHeaders, "proxy_on_response_body", "proxy_on_response_trailers"
	}
	return func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case headers:
			m.ask(ext.Body, int(d), order)
			return pause
		case body:
			j.add("%d %q %d", a[1], m.held(uint32(d)), a[2])
			if a[2] == 1 {
				then(m)
				return pause
			}
			m.ask(ext.Body, int(d), order)
			return pause
		case trailers:
			j.add("trailers %d", a[1])
			then(m)
			return pause
		}
		return 0
	}
}

// feeding sends pieces into a body, one after the other.
func feeding(s *slow, pieces ...string) {
	for _, p := range pieces {
		s.pieces <- p
	}
	close(s.pieces)
}

func TestBody_IsShownAsAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		order int
		want  []string
		sent  string
	}{
		{"show more", ext.ShowMore, []string{`4 "one," 0`, `8 "one,two," 0`, `13 "one,two,three" 0`, `13 "one,two,three" 1`}, "one,two,three"},
		{"drop more", ext.DropMore, []string{`4 "one," 0`, `4 "two," 0`, `5 "three" 0`, `0 "" 1`}, ""},
	} {
		for _, d := range []abi.Direction{abi.Request, abi.Response} {
			t.Run(fmt.Sprintf("%s %d", c.name, d), func(t *testing.T) {
				t.Parallel()
				var j journal
				b := thinking(t, reading(d, c.order, &j, func(m *mind) { m.resume(d) }))
				s := newSlow()
				go feeding(s, "one,", "two,", "three")
				var got *exchangetest.Result
				if d == abi.Request {
					got = b.do(echo, "POST", "/", s.option())
				} else {
					got = b.do(func(r *exchange.Request) (*exchange.Response, error) {
						resp := r.NewResponse(200)
						resp.Body = s
						return resp, nil
					}, "GET", "/")
				}
				if got.Status != 200 || string(got.Body) != c.sent || got.Err != nil {
					t.Errorf("got %d %q %v, want 200 %q", got.Status, got.Body, got.Err, c.sent)
				}
				if got := j.all(); !slices.Equal(got, c.want) {
					t.Errorf("the guest was shown\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
			})
		}
	}
}

func TestBody_OfOtherKinds(t *testing.T) {
	t.Parallel()
	trailing := func(r *exchange.Request) {
		r.Body = exchange.NewBody(io.MultiReader(strings.NewReader("ab"), reader(func([]byte) (int, error) {
			if r.Trailer.Len() == 0 {
				r.Trailer.Append("x-t", "1")
			}
			return 0, io.EOF
		})), -1, nil)
	}
	for _, c := range []struct {
		name   string
		option exchangetest.Option
		want   []string
		sent   string
	}{
		{"empty", func(*exchange.Request) {}, []string{`0 "" 1`}, ""},
		{"in memory", exchangetest.Body("content"), []string{`7 "content" 1`}, "content"},
		{"longer than is ever shown at once", exchangetest.Body(strings.Repeat("x", 100<<10)), nil, strings.Repeat("x", 100<<10)},
		{"no bytes of unknown length", exchangetest.Chunked(""), []string{`0 "" 1`}, ""},
		{"with trailers", trailing, []string{`2 "ab" 0`, "trailers 1"}, "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			b := thinking(t, reading(abi.Request, ext.ShowMore, &j, func(m *mind) { m.resume(abi.Request) }))
			var trailer string
			got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
				resp, err := echo(r)
				trailer = r.Trailer.Get("x-t")
				return resp, err
			}, "POST", "/", c.option)
			if got.Status != 200 || string(got.Body) != c.sent {
				t.Errorf("got %d, %d bytes, want 200, %d", got.Status, len(got.Body), len(c.sent))
			}
			if c.name == "with trailers" && trailer != "1" {
				t.Errorf("trailer: got %q, want 1", trailer)
			}
			if got := j.all(); c.want != nil && !slices.Equal(got, c.want) {
				t.Errorf("the guest was shown %q, want %q", got, c.want)
			}
		})
	}
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// A peek at the beginning changes nothing of what goes on, its length neither.
func TestBody_PeekedAtGoesOnAsItWas(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 50_000)
	for _, how := range []string{"rest", "unseen", "continue"} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprint(how, known), func(t *testing.T) {
				t.Parallel()
				shown := 0
				b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
					switch cb {
					case onRequestHeaders:
						m.ask(ext.Body, 0, ext.ShowMore)
						return pause
					case "proxy_on_request_body":
						switch shown++; {
						case how == "rest":
							m.ask(ext.Body, 0, ext.PassRest)
							return pause
						case how == "unseen":
							return uint32(ext.ContinueUnseen)
						}
					}
					return 0
				})
				n := int64(-1)
				if known {
					n = int64(len(long))
				}
				var length int64
				got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
					length = r.Body.Len()
					return echo(r)
				}, "POST", "/", func(r *exchange.Request) { r.Body = exchange.NewBody(strings.NewReader(long), n, nil) })
				if string(got.Body) != long {
					t.Errorf("got %d bytes, want %d", len(got.Body), len(long))
				}
				if how == "continue" {
					n = -1 // the guest may change the rest
				}
				if length != n {
					t.Errorf("length: got %d, want %d", length, n)
				}
				if (how == "continue") != (shown > 1) {
					t.Errorf("%s: the guest was shown %d pieces", how, shown)
				}
			})
		}
	}
}

func TestBody_HeldOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	for d, want := range []int{413, 500} {
		var j journal
		b := thinking(t, reading(abi.Direction(d), ext.ShowMore, &j, func(m *mind) { m.resume(abi.Direction(d)) }),
			func(p *guest.Plugin) { p.Limits.Body = 100_000 })
		long := exchange.NewBody(strings.NewReader(strings.Repeat("x", 200_000)), -1, nil)
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			if d == 1 {
				resp.Body = long
			}
			return resp, nil
		}, "POST", "/", func(r *exchange.Request) {
			if d == 0 {
				r.Body = long
			}
		})
		if got.Status != want {
			t.Errorf("direction %d: got %d %v, want %d", d, got.Status, got.Err, want)
		}
	}
}

// endless gives n bytes, and notes how much of it has been read.
type endless struct {
	left int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	return n, nil
}

// An upload of any size costs as much memory as a small one, and is answered by the guest.
func TestBody_OfAnySizeIsReadByTheGuest(t *testing.T) {
	t.Parallel()
	const n = 200 << 20
	var sum, most uint64
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.Body, 0, ext.DropMore)
			return pause
		case "proxy_on_request_body":
			sum, most = sum+uint64(a[1]), max(most, uint64(a[1]))
			if a[2] == 1 {
				m.ask(ext.ReplyStart, 200, pairsOf("x-sum", fmt.Sprint(sum)))
				m.ask(ext.ReplyEnd, "")
				return pause
			}
			m.ask(ext.Body, 0, ext.DropMore)
			return pause
		}
		return 0
	}, func(p *guest.Plugin) { p.Limits.Request = time.Minute })
	got := b.do(hello, "POST", "/", func(r *exchange.Request) { r.Body = exchange.NewBody(&endless{n}, n, nil) })
	if got.Status != 200 || got.Header.Get("x-sum") != fmt.Sprint(n) || most > chunk {
		t.Errorf("got %d, sum %s, at most %d at a time", got.Status, got.Header.Get("x-sum"), most)
	}
}

// What a guest does while it waits for more of the body counts at once.
func TestBody_WaitedForMayBeGivenUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		do     func(m *mind)
		status int
		body   string
	}{
		{"by a reply", func(m *mind) {
			m.ask(ext.ReplyStart, 403, "")
			m.ask(ext.ReplyWrite, "no")
			m.ask(ext.ReplyEnd, "")
		}, 403, "no"},
		{"by going on", func(m *mind) { m.resume(abi.Request) }, 200, "one,two"},
		{"by passing the rest", func(m *mind) { m.ask(ext.Body, 0, ext.PassRest) }, 200, "one,two"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSlow()
			b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
				switch cb {
				case onRequestHeaders:
					m.ask(ext.Body, 0, ext.ShowMore)
					return pause
				case "proxy_on_request_body":
					if a[1] == 4 && a[2] == 0 {
						m.ask(ext.Timer, 1)
						m.ask(ext.Body, 0, ext.ShowMore)
						return pause
					}
				case "proxy_on_foreign_function":
					if m.event[0] != uint64(abi.OK) {
						if got := m.held(0); got != "one," {
							t.Errorf("the guest holds %q", got)
						}
						c.do(m)
						if c.status == 200 {
							go func() { s.pieces <- "two"; close(s.pieces) }()
						}
					}
				}
				return 0
			})
			go func() { s.pieces <- "one," }()
			within(t, 10*time.Second, c.name, func() {
				got := b.do(echo, "POST", "/", s.option())
				if got.Status != c.status || string(got.Body) != c.body {
					t.Errorf("got %d %q, want %d %q", got.Status, got.Body, c.status, c.body)
				}
			})
		})
	}
}

func TestBody_EndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	var j journal
	ctx, cancel := context.WithCancelCause(t.Context())
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		j.add("%s", cb)
		switch cb {
		case onRequestHeaders:
			m.ask(ext.Body, 0, ext.ShowMore)
			return pause
		case "proxy_on_request_body": // it never asks again
			cancel(exchange.ErrClientGone)
			return pause
		}
		return 0
	})
	s := newSlow()
	go func() { s.pieces <- "one" }()
	within(t, 10*time.Second, "the guest's pause", func() {
		got := b.do(hello, "POST", "/", s.option(), exchangetest.Context(ctx))
		if !errors.Is(got.Err, exchange.ErrClientGone) {
			t.Errorf("got %d %v, want %v", got.Status, got.Err, exchange.ErrClientGone)
		}
	})
	if got := j.all(); !slices.Equal(got[len(got)-3:], []string{"proxy_on_done", "proxy_on_log", "proxy_on_delete"}) {
		t.Errorf("the guest heard %q", got)
	}
}

// A guest that has been shown all and asks for more waits for nothing.
func TestBody_AskedForInVain(t *testing.T) {
	t.Parallel()
	var st []abi.Status
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		say := func(args ...any) { s, _ := m.ask(ext.Body, args...); st = append(st, s) }
		switch cb {
		case onRequestHeaders:
			say(2, 1)    // no such direction
			say(0, 4)    // nor order
			say(0, 0)    // nor this
			say("x", 1)  // no number
			say(0, 1, 1) // too much
			say(1, 1)    // there is no response yet
			say(0, 1)
			say(0, 2) // asked already
			m.i.effective = &m.i.effective.root.guestContext
			say(0, 1) // of no stream
			return 0
		case "proxy_on_request_body":
			say(0, 1) // the head has gone on
		case "proxy_on_done":
			say(0, 1)
			say(0, 3)
		}
		return 0
	})
	got := b.do(echo, "POST", "/", exchangetest.Body("x"))
	if got.Status != 200 || string(got.Body) != "x" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	bad := abi.BadArgument
	want := []abi.Status{bad, bad, bad, bad, bad, 0, 0, 0, abi.NotFound, 0, 0, 0}
	if !slices.Equal(st, want) {
		t.Errorf("got %v, want %v", st, want)
	}
}

// A response without content is shown as such, and stays one.
func TestBody_OfAResponseThatHasNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		status int
	}{{"HEAD", 200}, {"GET", 204}, {"GET", 304}} {
		var j journal
		b := thinking(t, reading(abi.Response, ext.ShowMore, &j, func(m *mind) { m.resume(abi.Response) }))
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(c.status)
			if c.method == "HEAD" {
				resp.Body = untouchable{exchange.NewBytes([]byte("hello")), t}
			}
			return resp, nil
		}, c.method, "/")
		if want := []string{`0 "" 1`}; got.Status != c.status || !slices.Equal(j.all(), want) {
			t.Errorf("%s %d: got %d, the guest was shown %q", c.method, c.status, got.Status, j.all())
		}
		if c.method == "HEAD" && got.Len != 5 {
			t.Errorf("HEAD: got length %d, want 5", got.Len)
		}
	}
}

// A guest that goes on is shown the rest as usual, with what was kept before it.
func TestBody_WithHeadersHeldByThePlugin(t *testing.T) {
	t.Parallel()
	var j journal
	b := thinking(t, reading(abi.Request, ext.ShowMore, &j, func(m *mind) { m.resume(abi.Request) }), holding)
	s := newSlow()
	go feeding(s, "one,", "two")
	if got := b.do(echo, "POST", "/", s.option()); string(got.Body) != "one,two" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if want := []string{`4 "one," 0`, `7 "one,two" 0`, `7 "one,two" 1`}; !slices.Equal(j.all(), want) {
		t.Errorf("the guest was shown %q, want %q", j.all(), want)
	}
}

// untouchable is a body that says who touches it.
type untouchable struct {
	exchange.Body
	t *testing.T
}

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestUnseen_BodiesAreNotTouched(t *testing.T) {
	t.Parallel()
	var j journal
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		j.add("%s", cb)
		if cb == onRequestHeaders || cb == onResponseHeaders {
			return uint32(ext.ContinueUnseen)
		}
		return 0
	})
	in := untouchable{exchange.NewBytes([]byte("small")), t}
	r := exchangetest.NewRequest("POST", "/", func(r *exchange.Request) { r.Body = in })
	file := &exchange.File{N: 5}
	resp, err := b.Filter.Handle(r, exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		if r.Body != exchange.Body(in) {
			t.Errorf("the request's body is a %T", r.Body)
		}
		resp := r.NewResponse(200)
		resp.Body = file
		return resp, nil
	}))
	if err != nil || resp.Body != exchange.Body(file) {
		t.Errorf("got %v, a body of type %T", err, resp.Body)
	}
	r.End()
	want := []string{"proxy_on_context_create", "proxy_on_context_create", onRequestHeaders, onResponseHeaders, "proxy_on_done", "proxy_on_log", "proxy_on_delete"}
	if got := j.all(); !slices.Equal(got, want) {
		t.Errorf("the guest heard %q, want %q", got, want)
	}
}

// From a callback for a body it lets go what is held, and the rest by.
func TestUnseen_FromABodysCallback(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		var j journal
		b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
			if cb != "proxy_on_response_body" {
				return 0
			}
			j.add("%d %d", a[1], a[2])
			if held && a[1] < 8 {
				return pause
			}
			return uint32(ext.ContinueUnseen)
		})
		s := newSlow()
		go feeding(s, "one,", "two,", "three,", "four")
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Body = s
			resp.Trailer.Append("x-t", "1")
			return resp, nil
		}, "GET", "/")
		want := []string{"4 0"}
		if held {
			want = append(want, "8 0")
		}
		if string(got.Body) != "one,two,three,four" || got.Trailer.Get("x-t") != "1" || !slices.Equal(j.all(), want) {
			t.Errorf("held %v: got %q, trailer %q, was shown %q", held, got.Body, got.Trailer.Get("x-t"), j.all())
		}
	}
}
