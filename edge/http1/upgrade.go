package http1

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// upgradeOf returns the protocol that r asks to switch to, in lower case, or "": then
// it is an ordinary request (RFC 9110 §7.8). HTTP/2 is no protocol to switch to, since
// what frames the requests behind the switch would be in doubt (security G13), and
// neither are TLS or another version of HTTP.
func upgradeOf(r *exchange.Request, f *framing) (protocol string) {
	if !r.Header.Has("upgrade") || r.Method != "GET" || r.Proto != exchange.HTTP11 || f.length != 0 || !asksForUpgrade(&r.Header) {
		return ""
	}
	for list := range r.Header.Values("upgrade") {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			kind, version, versioned := strings.Cut(name, "/")
			switch {
			case name == "" || kind == "h2c" || kind == "http" || kind == "tls":
				continue
			case !exchange.ValidName(kind) || versioned && !exchange.ValidName(version):
				return ""
			case protocol != "": // which of them an upstream would take, only it knows
				return ""
			}
			protocol = name
		}
	}
	return protocol
}

func asksForUpgrade(h *exchange.Header) bool {
	for list := range h.Values("connection") {
		for option := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.Trim(option, " \t"), "upgrade") {
				return true
			}
		}
	}
	return false
}

var errUnasked = &exchange.Error{Fault: exchange.Upstream, Err: errors.New("switched protocols unasked")}

// switchTo answers 101 and carries bytes until both ends are done. The connection
// ends with it.
func (c *conn) switchTo(r *exchange.Request, resp *exchange.Response) error {
	defer resp.Tunnel.Close()
	if r.Upgrade == "" {
		return unsent(errUnasked)
	}
	w := c.work
	resp.Header.Del("upgrade")
	w.out = appendStatus(w.out, resp.Status)
	w.out = append(append(append(w.out, "Connection: Upgrade\r\nUpgrade: "...), r.Upgrade...), "\r\n"...)
	w.out = append(appendFields(w.out, &resp.Header), "\r\n"...)
	c.responded, c.unended, c.closing = true, true, true
	if err := c.flush(); err != nil {
		return err
	}
	t := &tunnel{conn: c, early: append([]byte(nil), w.in.rest()...)}
	c.lighten()
	if !c.enter(phaseTunnel) {
		return errOver
	}
	received, sent, err := exchange.Splice(t, resp.Tunnel)
	r.Record.Received += received
	r.Record.Sent += sent
	c.unended = false
	if err != nil {
		c.broken = true
		return fmt.Errorf("carry %s: %w", r.Upgrade, err)
	}
	return nil
}

// lighten gives back the buffers of an exchange that goes on without them. The
// request stays: it belongs to the exchange to its end.
func (c *conn) lighten() {
	w := c.work
	spare := &work{in: input{buf: w.in.buf}, out: w.out[:0], head: head{spans: w.head.spans}}
	w.in.buf, w.in.r, w.in.w, w.out, w.head.spans = nil, 0, 0, nil, nil
	c.giveBack(spare)
}
