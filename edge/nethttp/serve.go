package nethttp

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// server is what H2 and H3 share: from a http.Request to the dispatcher.
type server struct {
	Options
	proto exchange.Proto
	watch watch
	pool  sync.Pool // of *stream
}

func newServer(o Options, proto exchange.Proto) *server {
	s := &server{Options: o.withDefaults(), proto: proto}
	s.watch.init(s.Stall, s.BodyGrace, s.BodyRate)
	s.pool.New = func() any { return new(stream) }
	return s
}

// connKey is the context key of a connection's *exchange.Conn.
type connKey struct{}

func withConn(ctx context.Context, c *exchange.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ServeHTTP is called by the libraries, on the stream's own goroutine.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	facts, _ := r.Context().Value(connKey{}).(*exchange.Conn)
	st := s.pool.Get().(*stream)
	st.begin(s, w, r, facts)
	s.watch.add(&st.watched)
	whole := false
	defer func() {
		s.watch.remove(&st.watched)
		if whole = whole && !st.broken; whole {
			st.end()
			s.pool.Put(st)
		}
		if !whole {
			panic(http.ErrAbortHandler) // the libraries' way to reset a stream
		}
	}()
	if err := st.read(); err != nil {
		s.Dispatcher.Reject(&st.req, err)
	} else {
		s.Dispatcher.Dispatch(&st.req)
	}
	whole = true
}

// stream is one exchange: the request, and the exchange.Stream it answers on.
type stream struct {
	server   *server
	req      exchange.Request
	w        http.ResponseWriter
	r        *http.Request
	body     body
	watching exchange.Watching
	broken   bool // the stream must end in a reset: no response was sent, or not all of it
	watched
}

func (st *stream) begin(s *server, w http.ResponseWriter, r *http.Request, facts *exchange.Conn) {
	st.server, st.w, st.r, st.broken = s, w, r, true
	st.req.Reset(facts, st)
	st.req.Record.Start = time.Now()
	st.watched.reset(w)
	if s.proto == exchange.HTTP3 {
		// The deadline of the header has done its work; from here the watch looks.
		http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
}

func (st *stream) end() {
	st.w, st.r, st.body = nil, nil, body{}
	st.watched.reset(nil)
}

// Context implements exchange.Stream; the libraries end it with the stream.
func (st *stream) Context() context.Context { return st.r.Context() }

// Watch implements exchange.Stream.
func (st *stream) Watch(w exchange.Interrupter) { st.watching.Watch(st.r.Context(), w) }
