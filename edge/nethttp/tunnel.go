package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/nethttp/xconnect"
)

// net/http has been initialised before this package, so xconnect has done its work.
var _ = xconnect.Restore()

var (
	errProtocol      = &exchange.Error{Fault: exchange.Client, Status: http.StatusNotImplemented, Err: errors.New("extended CONNECT for a protocol that is not served")}
	errConnectLength = exchange.Reason(http.StatusBadRequest, "content-length in a CONNECT")
	errNotSwitched   = fmt.Errorf("%w: %w", exchange.ErrUnsent, &exchange.Error{Fault: exchange.Client, Status: http.StatusNotImplemented, Err: errors.New("what was asked for switches to no other protocol")})
	errUnasked       = fmt.Errorf("%w: %w", exchange.ErrUnsent, &exchange.Error{Fault: exchange.Upstream, Err: errors.New("switched protocols unasked")})
)

// protocolField is where net/http leaves the pseudo-header of extended CONNECT.
const protocolField = ":protocol"

// readConnect makes a request to switch protocols of an extended CONNECT (RFC 8441
// §4, RFC 9220 §3). Any other CONNECT is refused: a tunnel to anywhere is never a
// request (security P3).
func (st *stream) readConnect() error {
	protocol := st.r.Proto
	if st.server.proto == exchange.HTTP2 {
		protocol = strings.Join(st.r.Header[protocolField], ",")
	} else if strings.HasPrefix(protocol, "HTTP/") { // quic-go's name for an ordinary one; "/" is in no token
		protocol = ""
	}
	q := &st.req
	switch {
	case protocol == "":
		return errConnect
	case !strings.EqualFold(protocol, "websocket"):
		return errProtocol
	case q.Header.Has("content-length"):
		return errConnectLength
	}
	q.Method, q.Upgrade = http.MethodGet, "websocket"
	return nil
}

// switchTo answers an extended CONNECT, and carries bytes until both ends are done.
// Over HTTP/2 and HTTP/3 it is a success that says so (RFC 8441 §5).
func (st *stream) switchTo(r *exchange.Request, resp *exchange.Response) error {
	defer resp.Tunnel.Close()
	if r.Upgrade == "" {
		return errUnasked
	}
	header := st.w.Header()
	setFields(header, &resp.Header)
	delete(header, "Content-Length")
	header["Content-Type"] = nil // the libraries would guess one
	st.w.WriteHeader(http.StatusOK)
	client, err := st.tunnel()
	if err != nil {
		return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
	}
	received, sent, err := exchange.Splice(client, resp.Tunnel)
	r.Record.Received += received
	r.Record.Sent += sent
	if err != nil {
		return fmt.Errorf("carry %s: %w", r.Upgrade, err)
	}
	st.broken = false
	return nil
}

// tunnel sends the head, and returns the client's end of what follows.
func (st *stream) tunnel() (exchange.Tunnel, error) {
	if s, ok := st.w.(http3.HTTPStreamer); ok {
		str, err := s.HTTPStream()
		return &tunnel3{str: str}, err
	}
	control := http.NewResponseController(st.w)
	return &tunnel2{r: st.r.Body, w: st.w, control: control}, control.Flush()
}

// gone says that it was the client who ended a tunnel.
func gone(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
}

// tunnel2 is a stream of HTTP/2. net/http ends our half only together with the
// handler, so the end of what the upstream says ends both.
type tunnel2 struct {
	r             io.Reader
	w             io.Writer
	control       *http.ResponseController
	ended, closed atomic.Bool // our half, in order; the whole, by us
}

// Read implements exchange.Tunnel.
func (t *tunnel2) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	switch {
	case err != nil && t.ended.Load():
		return n, io.EOF
	case err != nil && t.closed.Load():
		return n, err
	}
	return n, gone(err)
}

// Write implements exchange.Tunnel. Nothing is held back.
func (t *tunnel2) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	if err == nil {
		err = t.control.Flush()
	}
	if err != nil && !t.closed.Load() {
		err = gone(err)
	}
	return n, err
}

// CloseWrite implements exchange.Tunnel.
func (t *tunnel2) CloseWrite() error {
	t.ended.Store(true)
	t.control.SetReadDeadline(time.Unix(1, 0))
	return nil
}

// Close implements exchange.Tunnel. It resets the stream unless our half has ended.
func (t *tunnel2) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	t.control.SetReadDeadline(time.Unix(1, 0))
	if !t.ended.Load() {
		t.control.SetWriteDeadline(time.Unix(1, 0))
	}
	return nil
}

// tunnel3 is a stream of HTTP/3 that was taken over from quic-go.
type tunnel3 struct {
	str           *http3.Stream
	ended, closed atomic.Bool
}

// Read implements exchange.Tunnel.
func (t *tunnel3) Read(p []byte) (int, error) {
	n, err := t.str.Read(p)
	if t.closed.Load() {
		return n, err
	}
	return n, gone(err)
}

// Write implements exchange.Tunnel.
func (t *tunnel3) Write(p []byte) (int, error) {
	n, err := t.str.Write(p)
	if t.closed.Load() {
		return n, err
	}
	return n, gone(err)
}

// CloseWrite implements exchange.Tunnel.
func (t *tunnel3) CloseWrite() error {
	t.ended.Store(true)
	return t.str.Close()
}

// Close implements exchange.Tunnel.
func (t *tunnel3) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	if !t.ended.Load() {
		t.str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeConnectError))
	}
	t.str.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
	return nil
}
