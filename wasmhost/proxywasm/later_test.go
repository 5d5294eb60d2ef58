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

// none is a handler that is not asked.
func none(t *testing.T) exchange.HandlerFunc {
	return func(*exchange.Request) (*exchange.Response, error) {
		t.Error("the handler was asked")
		return nil, exchange.ErrNotFound
	}
}

// serving replies with pieces, by a timer each, and then what end says.
func replying(head string, pieces []string, end func(m *mind)) brain {
	return func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.ReplyStart, 200, head)
			m.ask(ext.Timer, 1)
			return pause
		case onResponseHeaders:
			return uint32(ext.ContinueUnseen)
		case "proxy_on_foreign_function":
			if a[1] != ext.Answer {
				return 0
			}
			if len(pieces) == 0 {
				end(m)
				return 0
			}
			m.ask(ext.ReplyWrite, pieces[0])
			pieces = pieces[1:]
			m.ask(ext.Timer, 1)
		}
		return 0
	}
}

func TestReply_IsWrittenLater(t *testing.T) {
	t.Parallel()
	end := func(args ...any) func(m *mind) { return func(m *mind) { m.ask(ext.ReplyEnd, args...) } }
	for _, c := range []struct {
		name, method, head string
		pieces             []string
		end                func(m *mind)
		status             int
		body               string
		length             int64
		trailer            string
		err                error
	}{
		{"pieces", "GET", pairsOf("x-a", "1"), []string{"one,", "", "two"}, end(""), 200, "one,two", -1, "", nil},
		{"nothing", "GET", "", nil, end(""), 200, "", -1, "", nil},
		{"trailers", "GET", "", []string{"a"}, end(pairsOf("X-T", "1", "content-length", "7")), 200, "a", -1, "1", nil},
		{"a length", "GET", pairsOf("Content-Length", "7"), []string{"one,", "two"}, end(""), 200, "one,two", 7, "", nil},
		{"less than announced", "GET", pairsOf("content-length", "7"), []string{"one,"}, end(""), 200, "one,", 7, "", errReplyShort},
		{"more than announced", "GET", pairsOf("content-length", "5"), []string{"one,", "two"}, end(""), 200, "one,", 5, "", errReplyLong},
		{"HEAD", "HEAD", pairsOf("content-length", "7"), nil, end(""), 200, "", 7, "", nil},
		{"cut", "GET", "", []string{"one"}, func(m *mind) {
			m.i.effective.stream.aborted = true
			m.i.effective.stream.wake()
		}, 200, "one", -1, "", exchange.ErrClientGone},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := thinking(t, replying(c.head, c.pieces, c.end))
			within(t, 10*time.Second, c.name, func() {
				got := b.do(none(t), c.method, "/")
				if got.Status != c.status || got.Len != c.length || got.Trailer.Get("x-t") != c.trailer || !errors.Is(got.Err, c.err) {
					t.Errorf("got %d, length %d, trailer %q, %v", got.Status, got.Len, got.Trailer.Get("x-t"), got.Err)
				}
				if c.err == nil && string(got.Body) != c.body || !strings.HasPrefix(c.body, string(got.Body)) {
					t.Errorf("got %q, want %q", got.Body, c.body)
				}
			})
		})
	}
}

// A reply that is complete when its callback returns is sent as any other.
func TestReply_WrittenAtOnceHasALength(t *testing.T) {
	t.Parallel()
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		if cb == onRequestHeaders {
			m.ask(ext.ReplyStart, 404, pairsOf("content-type", "text/x"))
			m.ask(ext.ReplyWrite, "no")
			m.ask(ext.ReplyWrite, "thing")
			m.ask(ext.ReplyEnd, "")
			return pause
		}
		return 0
	})
	got := b.do(none(t), "GET", "/")
	if got.Status != 404 || string(got.Body) != "nothing" || got.Len != 7 || got.Header.Get("content-type") != "text/x" || got.Header.Len() != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestReply_TakesThePlaceOfAResponse(t *testing.T) {
	t.Parallel()
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onResponseHeaders:
			m.ask(ext.Timer, 1)
			return pause
		case "proxy_on_foreign_function":
			if a[1] == ext.Answer && m.i.effective.stream.reply.outlet == nil {
				m.ask(ext.ReplyStart, 503, "")
				m.ask(ext.ReplyWrite, "other")
				m.ask(ext.Timer, 1)
			} else if a[1] == ext.Answer {
				m.ask(ext.ReplyEnd, "")
			}
		}
		return 0
	})
	closed := false
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Body = exchange.NewBody(strings.NewReader("hello"), 5, func() error { closed = true; return nil })
		return resp, nil
	}, "GET", "/")
	if got.Status != 503 || string(got.Body) != "other" || !closed {
		t.Errorf("got %d %q, closed %v", got.Status, got.Body, closed)
	}
}

// A guest that writes faster than the client reads is told to wait, and when to go on.
func TestReply_WaitsForRoom(t *testing.T) {
	t.Parallel()
	var j journal
	piece := strings.Repeat("x", 10_000)
	left := 100
	write := func(m *mind) {
		for left > 0 {
			left--
			st, f := m.ask(ext.ReplyWrite, piece)
			if st != abi.OK {
				j.add("status %d", st)
				return
			}
			if f.Uint() == 0 {
				if n := len(m.i.effective.stream.reply.outlet.buf); n > highWater+len(piece) {
					j.add("%d bytes wait", n)
				}
				return
			}
		}
		m.ask(ext.ReplyEnd, "")
	}
	rooms := 0
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.ReplyStart, 200, "")
			write(m)
			return pause
		case onResponseHeaders:
			return uint32(ext.ContinueUnseen)
		case "proxy_on_foreign_function":
			if c := m.i.effective; a[1] != ext.Event || m.event[0] != uint64(c.id) || m.event[1] != ext.Room || a[0] != c.root.id || m.rest.End() != nil {
				j.add("got %d %v on %d", a[1], m.event, a[0])
				return 0
			}
			rooms++
			write(m)
		}
		return 0
	})
	within(t, 10*time.Second, "the reply", func() {
		if got := b.do(none(t), "GET", "/"); len(got.Body) != 100*len(piece) || got.Err != nil {
			t.Errorf("got %d bytes, %v", len(got.Body), got.Err)
		}
	})
	if odd := j.all(); len(odd) > 0 || rooms < 10 {
		t.Errorf("%d times there was room; %q", rooms, odd)
	}
}

func TestReply_OverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	var got []abi.Status
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		if cb == onRequestHeaders {
			m.ask(ext.ReplyStart, 200, "")
			for _, n := range []int{4000, 97, 96, 1} {
				st, _ := m.ask(ext.ReplyWrite, strings.Repeat("x", n))
				got = append(got, st)
			}
			m.ask(ext.ReplyEnd, "")
			return pause
		}
		return 0
	}, func(p *guest.Plugin) { p.Limits.Body = 4096 })
	if r := b.do(none(t), "GET", "/"); len(r.Body) != 4096 || !slices.Equal(got, []abi.Status{0, abi.InternalFailure, 0, abi.InternalFailure}) {
		t.Errorf("got %d bytes, %v", len(r.Body), got)
	}
}

// A guest is told that nobody takes the rest: the client has left, or the answer was
// dropped. What it writes then it learns from the status.
func TestReply_ThatNobodyTakes(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"leaves", "drops", "head"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			var j journal
			b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
				switch cb {
				case onRequestHeaders:
					m.ask(ext.ReplyStart, 200, "")
					m.ask(ext.ReplyWrite, "one")
					return pause
				case onResponseHeaders:
					return uint32(ext.ContinueUnseen)
				case "proxy_on_foreign_function":
					j.add("event %v", m.event[1])
					st, _ := m.ask(ext.ReplyWrite, "more")
					j.add("write %d", st)
				case "proxy_on_done":
					st, _ := m.ask(ext.ReplyWrite, "more")
					j.add("done %d", st)
				}
				return 0
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			method := "GET"
			if how == "head" {
				method = "HEAD"
			}
			r := exchangetest.NewRequest(method, "/", exchangetest.Context(ctx))
			resp, err := b.Filter.Handle(r, none(t))
			if err != nil {
				t.Fatal(err)
			}
			if how == "leaves" {
				buf := make([]byte, 100)
				if n, err := resp.Body.Read(buf); string(buf[:n]) != "one" || err != nil {
					t.Errorf("got %q, %v", buf[:n], err)
				}
				time.AfterFunc(time.Millisecond, func() { cancel(exchange.ErrClientGone) })
				within(t, 10*time.Second, "reading", func() {
					if n, err := resp.Body.Read(buf); n != 0 || !errors.Is(err, exchange.ErrClientGone) {
						t.Errorf("got %d bytes, %v", n, err)
					}
				})
			}
			resp.Body.Close()
			resp.Body.Close()
			r.End()
			want := []string{"event 2", fmt.Sprintf("write %d", abi.BrokenConnection), fmt.Sprintf("done %d", abi.NotFound)}
			if got := j.all(); !slices.Equal(got, want) {
				t.Errorf("the guest heard %q, want %q", got, want)
			}
		})
	}
}

// An instance's death cuts what it was writing.
func TestReply_IsCutWhenTheInstanceDies(t *testing.T) {
	t.Parallel()
	b := thinking(t, replying("", []string{"one"}, func(m *mind) { panic("died") }))
	within(t, 10*time.Second, "the reply", func() {
		got := b.do(none(t), "GET", "/")
		var e *exchange.Error
		if string(got.Body) != "one" || !errors.As(got.Err, &e) || e.Fault != exchange.Plugin {
			t.Errorf("got %q, %v", got.Body, got.Err)
		}
	})
}

// The request's body comes while the reply goes out: neither waits for the other.
func TestReply_BesideTheRequestsBody(t *testing.T) {
	t.Parallel()
	for _, order := range []int{ext.ShowMore, ext.DropMore} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			var j journal
			b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
				switch cb {
				case onRequestHeaders:
					m.ask(ext.ReplyStart, 200, "")
					m.ask(ext.Body, 0, order)
					return pause
				case onResponseHeaders:
					return uint32(ext.ContinueUnseen)
				case "proxy_on_request_body":
					if a[2] == 1 {
						m.ask(ext.ReplyEnd, "")
						return pause
					}
					m.ask(ext.ReplyWrite, "<"+m.held(0)+">")
					m.ask(ext.Timer, 1) // and asks then
					return pause
				case "proxy_on_foreign_function":
					if a[1] == ext.Answer {
						m.ask(ext.Body, 0, order)
					} else {
						j.add("event %d", m.event[1])
					}
				}
				return 0
			})
			s := newSlow()
			r := exchangetest.NewRequest("POST", "/", s.option())
			resp, err := b.Filter.Handle(r, none(t))
			if err != nil {
				t.Fatal(err)
			}
			var before strings.Builder
			buf := make([]byte, 100)
			within(t, 10*time.Second, "the conversation", func() {
				for _, word := range []string{"one", "two", "three"} {
					s.pieces <- word
					if order == ext.ShowMore {
						before.WriteString(word)
						word = before.String()
					}
					if n, err := resp.Body.Read(buf); string(buf[:n]) != "<"+word+">" || err != nil {
						t.Errorf("got %q, %v, want <%s>", buf[:n], err, word)
					}
				}
				close(s.pieces)
				if n, err := resp.Body.Read(buf); n != 0 || err != io.EOF {
					t.Errorf("got %q, %v, want the end", buf[:n], err)
				}
				resp.Body.Close()
				r.End()
			})
			if odd := j.all(); len(odd) > 0 {
				t.Errorf("the guest heard %q", odd)
			}
		})
	}
}

// A client that sends nothing while its request's body is waited for holds nothing up.
func TestReply_EndsWhileTheRequestsBodyIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(s *slow)
		end  bool
		err  error
	}{
		{"by its end", func(*slow) {}, true, nil},
		{"as the body breaks off", func(s *slow) { s.cause <- io.ErrUnexpectedEOF }, false, io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
				switch cb {
				case onRequestHeaders:
					m.ask(ext.Body, 0, ext.ShowMore)
					m.ask(ext.ReplyStart, 200, "")
					m.ask(ext.Timer, 5)
					return pause
				case onResponseHeaders:
					return uint32(ext.ContinueUnseen)
				case "proxy_on_foreign_function":
					if c.end {
						m.ask(ext.ReplyEnd, "")
					}
				}
				return 0
			})
			s := newSlow()
			time.AfterFunc(time.Millisecond, func() { c.do(s) })
			within(t, 10*time.Second, "the reply", func() {
				got := b.do(none(t), "POST", "/", s.option())
				if got.Status != 200 || !errors.Is(got.Err, c.err) {
					t.Errorf("got %d %v, want %v", got.Status, got.Err, c.err)
				}
			})
		})
	}
}

func TestReply_CalledInAnyOrder(t *testing.T) {
	t.Parallel()
	var got []abi.Status
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		say := func(name string, args ...any) { st, _ := m.ask(name, args...); got = append(got, st) }
		switch cb {
		case onRequestHeaders:
			say(ext.ReplyWrite, "x") // before there is one
			say(ext.ReplyEnd, "")    //
			say(ext.ReplyStart, 99, "")
			say(ext.ReplyStart, 600, "")
			say(ext.ReplyStart, 200, "no pairs")
			say(ext.ReplyStart, 200, pairsOf("content-length", "-1"))
			say(ext.ReplyStart, 200, pairsOf("content-length", "1", "content-length", "2"))
			say(ext.ReplyStart, 200)
			say(ext.ReplyStart, 200, "", "")
			say(ext.Inform, 101, "")
			say(ext.Inform, 200, "")
			say(ext.Inform, 103, "x")
			say(ext.Inform, 103, pairsOf("link", "</a>"))
			say(ext.ReplyStart, 200, pairsOf("connection", "close", "x-a", "1"))
			say(ext.Inform, 103, "") // too late
			say(ext.ReplyStart, 201, "")
			say(ext.ReplyWrite, 1, 2)
			say(ext.ReplyWrite, "x")
			say(ext.ReplyEnd, "no pairs")
			say(ext.ReplyEnd, "")
			say(ext.ReplyEnd, "")
			say(ext.ReplyWrite, "x")
			return pause
		case "proxy_on_done":
			say(ext.ReplyStart, 200, "")
			say(ext.ReplyWrite, "x")
			m.i.effective = &m.i.effective.root.guestContext
			say(ext.ReplyStart, 200, "")
			say(ext.ReplyWrite, "x")
			say(ext.ReplyEnd, "")
			say(ext.Inform, 103, "")
		}
		return 0
	})
	r := b.do(none(t), "GET", "/")
	if r.Status != 200 || string(r.Body) != "x" || r.Header.Len() != 1 || len(r.Interim) != 1 || r.Interim[0].Header.Get("link") != "</a>" {
		t.Errorf("got %+v", r)
	}
	bad, ok, none := abi.BadArgument, abi.OK, abi.NotFound
	want := []abi.Status{bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, ok, ok, bad, bad, bad, ok, bad, ok, bad, bad,
		bad, none, none, none, none, none}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Early hints leave while the guest still waits.
func TestInform_ReachesTheClientAtOnce(t *testing.T) {
	t.Parallel()
	var rec *exchangetest.Recorder
	var seen int
	b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.Timer, 1)
			return pause
		case "proxy_on_foreign_function":
			if len(m.i.effective.stream.hinted) == 0 && seen == 0 {
				seen = 1
				m.ask(ext.Inform, 103, pairsOf("link", "</a>"))
			} else if seen = 2; true {
				m.resume(abi.Request)
				return 0
			}
			m.ask(ext.Timer, 1)
		case onResponseHeaders:
			m.ask(ext.Inform, 103, pairsOf("link", "</b>"))
		}
		return 0
	})
	r := exchangetest.NewRequest("GET", "/", func(r *exchange.Request) { rec = r.Stream().(*exchangetest.Recorder) })
	got := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		if len(rec.Interim) != 1 {
			t.Errorf("%d interim responses before the handler was asked, want 1", len(rec.Interim))
		}
		return hello(r)
	}), b.Filter), r)
	if len(got.Interim) != 2 || got.Interim[1].Header.Get("link") != "</b>" {
		t.Errorf("got %+v", got.Interim)
	}
}
