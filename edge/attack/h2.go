package attack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2 is the attacker's end of an HTTP/2 connection. One goroutine writes; one
// reads and counts, so that an attack is never held up by the answers to it.
type h2 struct {
	target Target
	conn   net.Conn
	out    *bufio.Writer
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	stream uint32        // the next to open
	closed chan struct{} // closed once the server has ended the connection

	mu       sync.Mutex // guards what follows
	answered int
	reset    int
	how      string // how the connection ended, once closed is
	pong     chan struct{}
}

// overH2 runs attack on t.Conns connections. The settings are the attacker's;
// hold says that the attack is over only when the server or ctx ends it.
func (t Target) overH2(ctx context.Context, hold bool, settings []http2.Setting, attack func(h *h2, s *Stats) error) (Stats, error) {
	return t.swarm(ctx, func(ctx context.Context, ready func(), s *Stats) error {
		c, done, err := t.dial(ctx, "h2", s)
		if err != nil {
			return err
		}
		defer done()
		h, start := newH2(t, c), time.Now()
		if err := h.begin(settings); err != nil {
			return fmt.Errorf("begin HTTP/2 with %s: %w", t.Addr, err)
		}
		ready()
		go h.listen()
		if err := attack(h, s); err == nil {
			h.await(ctx, hold)
		}
		h.report(ctx, s)
		s.Held = time.Since(start)
		return nil
	})
}

func newH2(t Target, c net.Conn) *h2 {
	h := &h2{target: t, conn: c, out: bufio.NewWriterSize(c, 64<<10), stream: 1, closed: make(chan struct{}), pong: make(chan struct{})}
	h.framer = http2.NewFramer(h.out, bufio.NewReader(c))
	h.framer.AllowIllegalWrites = true
	h.framer.AllowIllegalReads = true
	h.hpack = hpack.NewEncoder(&h.block)
	return h
}

// begin sends preface and settings and confirms the server's.
func (h *h2) begin(settings []http2.Setting) error {
	h.out.WriteString(http2.ClientPreface)
	h.framer.WriteSettings(settings...)
	h.framer.WriteWindowUpdate(0, 1<<30) // answers to the attack must not stall on it
	if err := h.out.Flush(); err != nil {
		return err
	}
	if _, err := h.framer.ReadFrame(); err != nil {
		return err
	}
	h.framer.WriteSettingsAck()
	return h.out.Flush()
}

// listen counts what the server sends until it ends the connection.
func (h *h2) listen() {
	defer close(h.closed)
	goaway := ""
	for {
		f, err := h.framer.ReadFrame()
		h.mu.Lock()
		switch f := f.(type) {
		case *http2.HeadersFrame:
			h.answered++
		case *http2.RSTStreamFrame:
			h.reset++
		case *http2.GoAwayFrame:
			goaway = "goaway " + f.ErrCode.String()
		case *http2.PingFrame:
			if f.IsAck() && f.Data == lastPing {
				close(h.pong)
				h.pong = nil
			}
		}
		if err != nil {
			if h.how = goaway; goaway == "" {
				h.how = "closed"
			}
		}
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// lastPing marks the ping that asks whether the server is still there.
var lastPing = [8]byte{'t', 'h', 'e', ' ', 'e', 'n', 'd', '?'}

// await waits for the server's verdict: it ends the connection, or it answers a
// ping that comes after everything else. With hold only the former counts.
func (h *h2) await(ctx context.Context, hold bool) {
	h.mu.Lock()
	pong := h.pong
	h.mu.Unlock()
	if hold {
		pong = nil
	} else {
		h.framer.WritePing(false, lastPing)
	}
	if h.out.Flush() != nil {
		<-h.closed // the reader learns it at once: the server's end, or ctx's deadline
		return
	}
	select {
	case <-h.closed:
	case <-pong:
	case <-ctx.Done():
	}
}

func (h *h2) report(ctx context.Context, s *Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Answered += h.answered
	s.Reset += h.reset
	if h.how == "" || ctx.Err() != nil && !strings.HasPrefix(h.how, "goaway") {
		s.end("open", 1)
		return
	}
	s.Cut++
	s.end(h.how, 1)
}

// gone tells whether the server has ended the connection.
func (h *h2) gone() bool {
	select {
	case <-h.closed:
		return true
	default:
		return false
	}
}

// head encodes a request's header block, which is valid until the next call.
func (h *h2) head(method string, fields ...hpack.HeaderField) []byte {
	h.block.Reset()
	scheme := "http"
	if h.target.TLS != nil {
		scheme = "https"
	}
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: scheme},
		{Name: ":authority", Value: h.target.Host}, {Name: ":path", Value: h.target.Path},
	}, fields...) {
		h.hpack.WriteField(f)
	}
	return h.block.Bytes()
}

// open sends the head of a request on a new stream and returns its number.
func (h *h2) open(method string, end bool, fields ...hpack.HeaderField) (uint32, error) {
	id := h.stream
	h.stream += 2
	return id, h.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: h.head(method, fields...), EndStream: end, EndHeaders: true,
	})
}
