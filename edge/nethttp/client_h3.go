package nethttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/weirproxy/weir/edge/exchange"
)

// Types of unidirectional streams and frames (RFC 9114 §6.2, §7.2; RFC 9204 §4.2).
const (
	streamControl, streamPush, streamEncoder, streamDecoder = 0, 1, 2, 3

	h3Data, h3Headers, h3CancelPush, h3Settings = 0, 1, 3, 4
	h3PushPromise, h3GoAway, h3MaxPushID        = 5, 7, 0xd

	settingFieldSection, settingConnect = 6, 8
)

// h3Conn is a connection over which calls are made by HTTP/3 (RFC 9114). It has a
// UDP socket of its own. QPACK's dynamic table is not used (security Q1, P16).
type h3Conn struct {
	client *Client
	udp    *net.UDPConn
	tr     *quic.Transport
	qc     *quic.Conn
	kill   func(quic.ApplicationErrorCode, string) error // qc.CloseWithError

	greeted chan struct{} // closed when SETTINGS have come
	connect bool          // extended CONNECT (RFC 9220); set before

	mu      sync.Mutex
	streams map[quic.StreamID]*h3Stream
	used    bool
	away    bool
	unis    [4]bool // critical streams that have come
	quiet   time.Time
}

const (
	h3Silence = 30 * time.Second // without a packet, a connection is dead
	h3Ping    = 10 * time.Second
)

func (c *Client) dialH3(ctx context.Context) (_ *h3Conn, err error) {
	addr, err := resolve(ctx, c.o.Address)
	if err != nil {
		return nil, err
	}
	local := &net.UDPAddr{IP: net.IPv4zero}
	if addr.IP.To4() == nil {
		local.IP = net.IPv6unspecified
	}
	udp, err := net.ListenUDP("udp", local)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	h := &h3Conn{client: c, udp: udp, tr: &quic.Transport{Conn: udp}, greeted: make(chan struct{}),
		streams: map[quic.StreamID]*h3Stream{}, quiet: time.Now()}
	defer func() {
		if err != nil {
			h.tr.Close()
			udp.Close()
		}
	}()
	conf := c.o.TLS.Clone()
	conf.NextProtos = []string{http3.NextProtoH3}
	conf.MinVersion = tls.VersionTLS13
	// No early data: it can be replayed, and Dial waits for the handshake.
	h.qc, err = h.tr.Dial(ctx, addr, conf, &quic.Config{
		HandshakeIdleTimeout:           handshakeSilence(c.o.Connect),
		MaxIdleTimeout:                 h3Silence,
		KeepAlivePeriod:                h3Ping,
		MaxIncomingStreams:             -1, // servers open none (RFC 9114 §6.1)
		MaxIncomingUniStreams:          8,
		InitialStreamReceiveWindow:     streamWindow,
		MaxStreamReceiveWindow:         streamWindow,
		InitialConnectionReceiveWindow: streamWindow * streamsFirst, // a slow reader holds up no other
		MaxConnectionReceiveWindow:     streamWindow * streamsFirst,
	})
	if err != nil {
		return nil, connectFault(err)
	}
	h.kill = h.qc.CloseWithError
	if err = h.greet(); err != nil {
		h.qc.CloseWithError(0, "")
		return nil, fmt.Errorf("http3: %w", err)
	}
	go h.accept()
	return h, nil
}

// connectFault makes the error of a connection that did not come about. QUIC's own limit
// on silence is as long as the one for connecting, so either may end the wait.
func connectFault(err error) error {
	err = fmt.Errorf("quic: %w", err)
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return &exchange.Error{Fault: exchange.Upstream, Status: 504, Err: fmt.Errorf("%w: %w", err, context.DeadlineExceeded)}
	}
	return err
}

func handshakeSilence(connect time.Duration) time.Duration {
	if connect > 0 {
		return connect
	}
	return h3Silence
}

// resolve finds the address of host:port, a name's first.
func resolve(ctx context.Context, hostport string) (*net.UDPAddr, error) {
	if ap, err := netip.ParseAddrPort(hostport); err == nil {
		return net.UDPAddrFromAddrPort(ap), nil
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ips[0].Unmap(), uint16(n))), nil
}

// greet opens the control stream with SETTINGS (RFC 9114 §6.2.1).
func (h *h3Conn) greet() error {
	s, err := h.qc.OpenUniStream()
	if err != nil {
		return err
	}
	var setting []byte
	setting = quicvarint.Append(setting, settingFieldSection)
	setting = quicvarint.Append(setting, uint64(h.client.o.HeaderBytes))
	b := []byte{streamControl, h3Settings, byte(len(setting))}
	_, err = s.Write(append(b, setting...))
	return err
}

// accept takes the upstream's streams until the connection ends.
func (h *h3Conn) accept() {
	for {
		s, err := h.qc.AcceptUniStream(context.Background())
		if err != nil {
			break
		}
		go h.uni(s)
	}
	h.client.drop(h)
	h.tr.Close()
	h.udp.Close()
}

// die closes the connection for a rule that the upstream broke.
func (h *h3Conn) die(code http3.ErrCode, why string) error {
	h.kill(quic.ApplicationErrorCode(code), why)
	return errors.New(why)
}

// uni serves one stream of the upstream's. A second one of those there may be one of,
// and the end of any of them, are errors of the connection.
func (h *h3Conn) uni(s *quic.ReceiveStream) {
	r := bufio.NewReaderSize(s, 512)
	kind, err := quicvarint.Read(r)
	switch {
	case err != nil:
		return
	case kind == streamPush: // none was allowed
		h.die(http3.ErrCodeIDError, "push without MAX_PUSH_ID")
		return
	case kind > streamDecoder:
		s.CancelRead(quic.StreamErrorCode(http3.ErrCodeStreamCreationError))
		s.ReleaseStreamCredit()
		return
	}
	h.mu.Lock()
	twice := h.unis[kind]
	h.unis[kind] = true
	h.mu.Unlock()
	if twice {
		h.die(http3.ErrCodeStreamCreationError, "second critical stream")
		return
	}
	if kind == streamControl {
		err = h.control(r)
	} else {
		_, err = io.Copy(io.Discard, r) // without a dynamic table it says nothing of use
	}
	if h.qc.Context().Err() == nil && (err == nil || errors.Is(err, io.EOF)) {
		h.die(http3.ErrCodeClosedCriticalStream, "critical stream ended")
	}
}

// control reads SETTINGS, then GOAWAYs. Errors have closed the connection.
func (h *h3Conn) control(r *bufio.Reader) error {
	for first := true; ; first = false {
		kind, n, err := readFrame(r)
		if err != nil {
			return err
		}
		switch {
		case first != (kind == h3Settings):
			code := http3.ErrCodeFrameUnexpected
			if first {
				code = http3.ErrCodeMissingSettings
			}
			return h.die(code, "frame out of place on the control stream")
		case kind == h3Settings:
			err = h.settings(r, n)
		case kind == h3GoAway:
			err = h.goAway(r, n)
		case kind == h3Data || kind == h3Headers || kind == h3PushPromise || kind == h3MaxPushID || kind == 2 || kind == 6 || kind == 8 || kind == 9:
			return h.die(http3.ErrCodeFrameUnexpected, "frame that is not for the control stream")
		default:
			err = skip(r, n)
		}
		if err != nil {
			return err
		}
	}
}

func (h *h3Conn) settings(r *bufio.Reader, n uint64) error {
	if n > 512 {
		return h.die(http3.ErrCodeExcessiveLoad, "SETTINGS too large")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	var seen []uint64
	for len(b) > 0 {
		id, k, err := quicvarint.Parse(b)
		if err != nil {
			return h.die(http3.ErrCodeFrameError, "SETTINGS cut short")
		}
		value, l, err := quicvarint.Parse(b[k:])
		if err != nil {
			return h.die(http3.ErrCodeFrameError, "SETTINGS cut short")
		}
		if b = b[k+l:]; slices.Contains(seen, id) || id >= 2 && id <= 5 || id == settingConnect && value > 1 {
			return h.die(http3.ErrCodeSettingsError, "SETTINGS that may not be")
		}
		seen = append(seen, id)
		if id == settingConnect {
			h.connect = value == 1
		}
	}
	close(h.greeted)
	return nil
}

// goAway hears that no stream from that id on was processed (RFC 9114 §5.2).
func (h *h3Conn) goAway(r *bufio.Reader, n uint64) error {
	id, err := quicvarint.Read(r)
	if err != nil {
		return err
	}
	if uint64(quicvarint.Len(id)) > n || id%4 != 0 {
		return h.die(http3.ErrCodeIDError, "GOAWAY that may not be")
	}
	if err := skip(r, n-uint64(quicvarint.Len(id))); err != nil {
		return err
	}
	h.mu.Lock()
	h.away = true
	var over []*h3Stream
	for sid, s := range h.streams {
		if uint64(sid) >= id {
			over = append(over, s)
		}
	}
	last := len(h.streams) == 0
	h.mu.Unlock()
	for _, s := range over {
		s.cancel(fmt.Errorf("%w: %w", errUnprocessed, errH2Gone))
	}
	if last {
		h.kill(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
	return nil
}

// forget takes a stream off the connection.
func (h *h3Conn) forget(s *h3Stream) {
	h.mu.Lock()
	if h.streams[s.id] == s {
		delete(h.streams, s.id)
		h.quiet = time.Now()
	}
	last := h.away && len(h.streams) == 0
	h.mu.Unlock()
	if last {
		h.kill(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}

// sweep implements upstreamConn.
func (h *h3Conn) sweep(now time.Time, keep time.Duration) (closed bool) {
	h.mu.Lock()
	late := keep > 0 && len(h.streams) == 0 && now.Sub(h.quiet) > keep
	h.mu.Unlock()
	if late {
		h.retire()
	}
	return h.qc.Context().Err() != nil
}

// retire implements upstreamConn.
func (h *h3Conn) retire() {
	h.mu.Lock()
	h.away = true
	last := len(h.streams) == 0
	h.mu.Unlock()
	if last {
		h.kill(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}

// idle implements upstreamConn.
func (h *h3Conn) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams) == 0
}
