package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
)

// Inform implements exchange.Stream.
func (st *stream) Inform(status int, h *exchange.Header) error {
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		return fmt.Errorf("inform: status %d is not interim", status)
	}
	header := st.w.Header()
	clear(header)
	setFields(header, h)
	st.w.WriteHeader(status)
	clear(header)
	return nil
}

// Respond implements exchange.Stream.
func (st *stream) Respond(r *exchange.Request, resp *exchange.Response) error {
	if resp.Status == http.StatusSwitchingProtocols && resp.Tunnel != nil {
		return st.switchTo(r, resp)
	}
	if r.Upgrade != "" && resp.Status < 300 { // would open a tunnel: to a page (RFC 8441 §5)
		return errNotSwitched
	}
	header, length := st.w.Header(), resp.Body.Len()
	setFields(header, &resp.Header)
	bare := resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified
	if r.Method != http.MethodHead && !bare || length > 0 {
		delete(header, "Content-Length") // the body decides; a 304 or HEAD may only tell
	}
	if length >= 0 && !bare && (r.Method != http.MethodHead || length > 0) {
		header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil // the libraries would guess one
	}
	st.enter(phaseWrite)
	defer st.leave(0)
	st.w.WriteHeader(resp.Status)
	if r.Method == http.MethodHead || bare {
		st.broken = false
		return nil
	}
	if err := st.send(r, resp); err != nil {
		return err
	}
	sendTrailer(header, &resp.Trailer)
	st.broken = false
	return nil
}

// connection-specific fields mean nothing here (RFC 9113 §8.2.2, RFC 9114 §4.2).
func setFields(header http.Header, h *exchange.Header) {
	values := make([]string, h.Len())
	for i := range h.Len() {
		f := h.At(i)
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "trailer":
			continue
		}
		key := textproto.CanonicalMIMEHeaderKey(f.Name)
		if have := header[key]; have != nil {
			header[key] = append(have, f.Value)
			continue
		}
		values[i] = f.Value
		header[key] = values[i : i+1 : i+1]
	}
}

// sendTrailer leaves the trailers where the libraries look for them when the
// handler returns; they need not have been announced.
func sendTrailer(header http.Header, t *exchange.Header) {
	for name, value := range t.All() {
		if keep, _ := exchange.TrailerFate(name); !keep {
			continue
		}
		header.Add(http.TrailerPrefix+textproto.CanonicalMIMEHeaderKey(name), value)
	}
}

// pieces are what bodies are copied by: large enough for a batch of frames, small
// enough that a slow reader shows progress within the stall limit.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (st *stream) send(r *exchange.Request, resp *exchange.Response) error {
	b := resp.Body
	if mem, ok := b.(*exchange.Bytes); ok {
		return st.write(r, mem.Rest())
	}
	left := b.Len()
	live := livenessOf(resp)
	if left != 0 && live.waits() {
		if err := st.flush(); err != nil { // the head must not wait for the body
			return err
		}
	}
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	for left != 0 {
		st.pause()
		n, err := b.Read(buf[:])
		st.enter(phaseWrite)
		if left > 0 {
			if left -= int64(n); left < 0 {
				return errors.New("response body longer than announced")
			}
		}
		if werr := st.write(r, buf[:n]); werr != nil {
			return werr
		}
		switch {
		case err == io.EOF && left > 0:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case n > 0 && left != 0 && live.pauses():
			if err := st.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// liveness says when a body must not be held back for the sake of fuller frames:
// server-sent events, answers of gRPC.
type liveness struct {
	buffered func() int // nil where the body cannot tell
	unknown  bool       // the length is not known
	events   bool
}

func livenessOf(resp *exchange.Response) liveness {
	l := liveness{unknown: resp.Body.Len() < 0}
	if b, ok := resp.Body.(interface{ Buffered() int }); ok {
		l.buffered = b.Buffered
	} else if l.unknown {
		l.events = strings.HasPrefix(resp.Header.Get("content-type"), "text/event-stream")
	}
	return l
}

// waits tells whether the first bytes may take their time.
func (l liveness) waits() bool {
	return l.buffered != nil && l.buffered() == 0 || l.events
}

// pauses tells whether the next bytes may.
func (l liveness) pauses() bool {
	if l.buffered != nil {
		return l.buffered() == 0
	}
	return l.unknown
}

func (st *stream) flush() error {
	if err := http.NewResponseController(st.w).Flush(); err != nil {
		return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
	}
	return nil
}

func (st *stream) write(r *exchange.Request, p []byte) error {
	for len(p) > 0 {
		piece := p[:min(len(p), 64<<10)]
		n, err := st.w.Write(piece)
		r.Record.Sent += int64(n)
		st.progress(n)
		if err != nil {
			return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
		}
		p = p[n:]
	}
	return nil
}
