package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What this end of an HTTP/2 connection allows.
const (
	// streamWindow bounds what of a body waits in memory for its reader.
	streamWindow = 512 << 10
	// connWindow is given back as bytes come, not as they are read: a slow reader of
	// one body does not hold up the others.
	connWindow = 4 << 20
	// outMost is how many bytes may wait to be written before bodies wait, and
	// floodMost before the upstream is taken for one that makes this end answer and
	// does not read (security G5, G6).
	outMost, floodMost = 64 << 10, 4 << 20
	// vainMost is how many frames that bring nothing may come between two looks, besides
	// those that are on their way when a stream is reset.
	vainMost, inFlight = 10_000, 2 * streamWindow / (16 << 10)
	// streamsFirst is how many streams an upstream is taken to allow that does not say.
	streamsFirst = 100
	streamsMost  = 1000
	// A connection that is silent while it has streams is pinged after pingAfter, and
	// closed when pingWait brings nothing. The next silence may be four times as long:
	// gRPC servers close connections that ping often.
	pingAfter, pingWait = 30 * time.Second, 15 * time.Second
)

// h2Conn is a connection over which calls are made by HTTP/2 (RFC 9113). One goroutine
// reads frames, one writes what all streams and the reader have left in out: nobody
// who holds mu waits for the network.
type h2Conn struct {
	client *Client
	nc     net.Conn
	in     *http2.Framer // of the reading goroutine

	mu       sync.Mutex
	write    sync.Cond // out has bytes, or err is set
	out      bytes.Buffer
	fr       *http2.Framer // into out
	enc      *hpack.Encoder
	block    bytes.Buffer // what enc writes
	streams  map[uint32]*h2Stream
	next     uint32 // id of the next stream
	away     bool   // no stream may begin any more
	closed   bool   // out is no longer written
	err      error  // why nothing goes on
	room     int64  // what the upstream lets us send
	taken    int64  // bytes received and not given back
	vain     int    // frames that brought nothing since the last look
	heard    time.Time
	pinged   time.Time // zero: no answer is waited for
	patience time.Duration
	quiet    time.Time // since when there are no streams
	resets   int       // streams that were reset, of which the upstream may not have heard
	hushed   bool      // it has answered a ping and said nothing since: it gets no other for resets

	// What the upstream has said in SETTINGS.
	frame   uint32
	window  int64 // of new streams
	most    uint32
	connect bool // extended CONNECT (RFC 8441)
}

var (
	errH2Gone    = errors.New("upstream is leaving")
	errH2Silent  = errors.New("upstream does not answer a ping")
	errH2Flood   = errors.New("upstream floods the connection")
	errH2Preface = errors.New("upstream does not speak HTTP/2: its first frame is no SETTINGS")
	errH2Closed  = fmt.Errorf("upstream closed the connection: %w", io.ErrUnexpectedEOF)
	errRetired   = errors.New("connection is closed")
)

// newH2Conn begins HTTP/2 on nc and waits for the upstream's SETTINGS, which say how
// many streams there may be and whether it speaks HTTP/2 at all. It closes nc on errors.
func (c *Client) newH2Conn(ctx context.Context, nc net.Conn) (*h2Conn, error) {
	h := &h2Conn{client: c, nc: nc, streams: map[uint32]*h2Stream{}, next: 1, room: 65535, frame: 16 << 10,
		window: 65535, most: streamsFirst, heard: time.Now(), quiet: time.Now(), patience: pingAfter}
	h.write.L = &h.mu
	h.in = http2.NewFramer(nil, bufio.NewReaderSize(nc, 16<<10))
	h.in.SetMaxReadFrameSize(16 << 10)
	h.in.SetReuseFrames()
	h.in.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	h.in.MaxHeaderListSize = uint32(c.o.HeaderBytes)
	h.fr = http2.NewFramer(&h.out, nil)
	h.enc = hpack.NewEncoder(&h.block)
	h.out.WriteString(http2.ClientPreface)
	h.fr.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.o.HeaderBytes)})
	h.fr.WriteWindowUpdate(0, connWindow-65535)

	stop := context.AfterFunc(ctx, func() { nc.Close() })
	_, err := nc.Write(h.out.Bytes())
	h.out.Reset()
	if err == nil {
		err = h.greet()
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("http2: %w", err)
	}
	go h.writeLoop()
	go h.readLoop()
	return h, nil
}

func (h *h2Conn) greet() error {
	f, err := h.in.ReadFrame()
	if err != nil {
		return err
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return errH2Preface
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settings(settings)
}

func (h *h2Conn) writeLoop() {
	var spare bytes.Buffer
	h.mu.Lock()
	for {
		for h.out.Len() == 0 && h.err == nil {
			h.write.Wait()
		}
		if h.out.Len() == 0 {
			break
		}
		h.out, spare = spare, h.out // h.fr writes to the field, whichever buffer it holds
		h.mu.Unlock()
		_, err := h.nc.Write(spare.Bytes())
		if spare.Reset(); spare.Cap() > 4*outMost {
			spare = bytes.Buffer{}
		}
		h.mu.Lock()
		if err != nil {
			h.fail(err)
			break
		}
		h.wakeSenders()
	}
	h.closed = true
	h.mu.Unlock()
	h.nc.Close() // ends readLoop
}

func (h *h2Conn) readLoop() {
	for {
		f, err := h.in.ReadFrame()
		h.mu.Lock()
		if bad, ok := errors.AsType[http2.StreamError](err); ok {
			err = h.malformed(bad)
		} else if err == nil {
			err = h.take(f)
		} else if err == io.EOF { // never the end of a body
			err = errH2Closed
		}
		if err == nil && h.out.Len() > floodMost {
			err = errH2Flood
		}
		if err != nil {
			h.fail(err)
		}
		over := h.err != nil
		h.mu.Unlock()
		if over {
			break
		}
	}
	h.client.drop(h)
}

// fail ends the connection and its streams. mu is held.
func (h *h2Conn) fail(err error) {
	if h.err != nil {
		return
	}
	h.err, h.away = err, true
	if code, ok := errors.AsType[http2.ConnectionError](err); ok {
		h.fr.WriteGoAway(0, http2.ErrCode(code), nil)
	} else if errors.Is(err, errH2Flood) {
		h.fr.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
	} else if err == errRetired {
		h.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
	}
	for id, s := range h.streams {
		s.fail(err)
		delete(h.streams, id)
	}
	// What is left to say is said in a second. SetDeadline takes no lock of the network's.
	h.nc.SetDeadline(time.Now().Add(farewell))
	h.write.Signal()
}

// say has the writer look at out. mu is held.
func (h *h2Conn) say() { h.write.Signal() }

func (h *h2Conn) wakeSenders() {
	for _, s := range h.streams {
		if s.waits {
			s.cond.Broadcast()
		}
	}
}

// forget takes a stream off the connection. mu is held.
func (h *h2Conn) forget(s *h2Stream) {
	if h.streams[s.id] != s {
		return
	}
	delete(h.streams, s.id)
	if len(h.streams) == 0 {
		h.quiet = time.Now()
		h.pinged = time.Time{}
		if h.away {
			h.fail(errRetired)
		}
	}
}

// resetPing tells the ping that follows a reset from those that look for life.
var resetPing = [8]byte{'r', 'e', 's', 'e', 't'}

// countReset keeps the place of a stream that was reset until the upstream has answered
// a ping, so that clients who ask and leave cannot have weir ask faster than the upstream
// hears of it (security G5), and it does not take weir for an attacker. gRPC servers
// close connections that ping while nothing else goes on: then the place is free at once.
// mu is held.
func (h *h2Conn) countReset() {
	if h.hushed {
		return
	}
	if h.resets == 0 {
		h.fr.WritePing(false, resetPing)
	}
	h.resets++
}

// pong hears the answer to a ping. mu is held.
func (h *h2Conn) pong(data [8]byte) {
	if data == resetPing {
		h.resets, h.hushed = 0, true
	}
}

// alive notes that the upstream works on something. mu is held.
func (h *h2Conn) alive() { h.patience, h.hushed = pingAfter, false }

// sweep implements upstreamConn.
func (h *h2Conn) sweep(now time.Time, keep time.Duration) (closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.vain = 0; {
	case h.err != nil:
	case len(h.streams) == 0:
		if keep > 0 && now.Sub(h.quiet) > keep {
			h.fail(errRetired)
		}
	case !h.pinged.IsZero():
		if now.Sub(h.pinged) > pingWait {
			h.fail(errH2Silent)
		}
	case now.Sub(h.heard) > h.patience:
		h.pinged = now
		h.patience *= 4
		h.fr.WritePing(false, [8]byte{'w', 'e', 'i', 'r'})
		h.say()
	}
	return h.closed
}

// retire implements upstreamConn.
func (h *h2Conn) retire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away = true; len(h.streams) == 0 {
		h.fail(errRetired)
	}
}

// idle implements upstreamConn.
func (h *h2Conn) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams) == 0
}
