package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// draft is a call in the making.
type draft struct {
	p    *Proxy
	r    *exchange.Request
	call *exchange.Call

	nominees nominees
	// Which fields of a trusted proxy there were.
	chain, element, proto, host, port, prefix, id bool
	cookies                                       int
	te                                            bool
	early                                         bool // the request may be a repetition
}

var errLoop = &exchange.Error{Status: http.StatusLoopDetected, Err: errors.New("request has come through here before")}

// compose makes the call that asks an upstream for what r asks. The call has the life
// of r. It allocates one string, which the values that are made here are cut from.
func (p *Proxy) compose(r *exchange.Request) (*exchange.Call, error) {
	c := r.NewCall()
	d := draft{p: p, r: r, call: c, early: r.Early}
	c.Method, c.Scheme, c.Authority = r.Method, r.Scheme, r.Authority
	if p.host != "" || p.ownHost {
		c.Authority = p.host
	}
	c.Body, c.Trailer = p.sifted(r), &r.Trailer
	c.Client, c.Server, c.Secure = r.Client, r.Conn.Local, r.Scheme == "https"
	if !p.noUpgrade {
		c.Upgrade = r.Upgrade
	}
	if r.Proto < exchange.HTTP2 { // the others know no Connection
		if err := d.nominees.read(&r.Header, p.names); err != nil {
			return nil, err
		}
	}
	if err := d.fields(); err != nil {
		return nil, err
	}
	offer(r, c)
	d.finish()
	return c, nil
}

// fields takes over what passes, in order.
func (d *draft) fields() error {
	h, to := &d.r.Header, &d.call.Header
	for i := range h.Len() {
		f := h.At(i)
		switch fate := d.p.names.fate(f.Name); {
		case fate == dropped:
		case fate == passes:
			if d.nominees.n == 0 || !d.nominees.has(f.Name) {
				to.Append(f.Name, f.Value)
			}
		case fate >= teField && fate <= hopsField:
			if err := d.special(f, fate); err != nil {
				return err
			}
		case fate == keyField:
			if d.r.Upgrade == "" || d.r.Proto < exchange.HTTP2 {
				to.Append(f.Name, f.Value)
			}
		case d.r.Trusted && d.believe(fate, f.Value):
			to.Append(f.Name, f.Value)
		}
	}
	if d.cookies > 1 {
		d.joinCookies()
	}
	return nil
}

// special treats fields that are neither dropped nor passed on as they are, whoever
// sends them.
func (d *draft) special(f exchange.Field, fate fate) error {
	c := d.call
	switch fate {
	case teField:
		if !d.te && hasToken(f.Value, "trailers") {
			d.te = true
			c.Header.Append("te", "trailers")
		}
	case expectField:
		c.Expect = d.r.Proto != exchange.HTTP10 && strings.EqualFold(f.Value, "100-continue") && d.r.Body.Len() != 0
	case cookieField:
		if d.cookies++; d.cookies == 1 {
			c.Header.Append(f.Name, f.Value)
		}
	case viaField:
		if strings.Contains(f.Value, d.p.mark) {
			return errLoop
		}
		c.Header.Append(f.Name, f.Value)
	case earlyField:
		// A proxy may add it and must not take it away, whoever has set it, since a
		// proxy in front may have; any value, and several, mean the same (RFC 8470
		// §5.1). All that a client gains by it is to be asked to come again.
		d.early = true
	case hopsField:
		c.Header.Append(f.Name, fewerHops(d.r.Method, f.Value))
	}
	return nil
}

// believe notes a field of a trusted proxy and tells whether it stays as it is.
func (d *draft) believe(fate fate, value string) bool {
	switch fate {
	case chainField:
		d.chain = true // a new one continues it
		return false
	case elementField:
		d.element = true
		return false
	case prefixField:
		d.prefix = true
		return false
	case protoField:
		d.proto = true
		d.call.Secure = value == "https"
	case hostField:
		d.host = true
	case portField:
		d.port = true
	case idField:
		d.id = true
	}
	return true
}

// joinCookies makes one field of several. HTTP/2 and HTTP/3 may cut it into crumbs
// (RFC 9113 §8.2.3), and upstreams differ in which of several lines they read.
func (d *draft) joinCookies() {
	var all []string
	for v := range d.r.Header.Values("cookie") {
		if v = strings.Trim(v, "; \t"); v != "" { // an empty one would leave a space at the end
			all = append(all, v)
		}
	}
	_ = d.call.Header.Set("cookie", strings.Join(all, "; ")) // of valid ones: it is valid
}

// fewerHops counts Max-Forwards down, which only OPTIONS has left (RFC 9110 §7.6.2).
func fewerHops(method, value string) string {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil && n > 0 && method == http.MethodOptions {
		return strconv.FormatUint(n-1, 10)
	}
	return value
}

// hasToken tells whether a comma-separated list has token, whatever its parameters.
func hasToken(list, token string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		item, _, _ = strings.Cut(item, ";")
		if strings.EqualFold(strings.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}
