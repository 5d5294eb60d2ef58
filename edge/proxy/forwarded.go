package proxy

import (
	"net/netip"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// finish adds what weir says of the client and of itself, and the target. All values
// that have to be made are made in one buffer, and become one string.
func (d *draft) finish() {
	r, h := d.r, &d.call.Header
	var room [512]byte
	b, stripped := d.p.appendTarget(room[:0], r)
	same := unchanged(b, r.Target)
	if same {
		b = b[:0]
	} else if r.Query != "" {
		b = append(append(b, '?'), r.Query...)
	}
	target := len(b)
	b = d.appendChain(b)
	chain := len(b)
	b = appendAddr(b, r.Client)
	client := len(b)
	b = d.appendElements(b)
	elements := len(b)
	b = d.appendPrefix(b, stripped)
	prefix := len(b)
	if !d.id {
		b = r.Record.AppendID(b)
	}
	text := string(b)

	if d.call.Target = r.Target; !same {
		d.call.Target = text[:target]
	}
	add(h, "x-forwarded-for", text[target:chain])
	add(h, "x-real-ip", text[chain:client])
	add(h, "forwarded", text[client:elements])
	add(h, "x-forwarded-prefix", text[elements:prefix])
	if !d.proto {
		h.Append("x-forwarded-proto", r.Scheme)
	}
	if !d.host {
		add(h, "x-forwarded-host", r.Authority)
	}
	if !d.port {
		h.Append("x-forwarded-port", portOf(r))
	}
	add(h, "x-request-id", text[prefix:])
	if d.early {
		h.Append("early-data", "1")
	}
	h.Append("via", d.p.via[min(r.Proto, exchange.HTTP3)])
}

func add(h *exchange.Header, name, value string) {
	if value != "" {
		h.Append(name, value)
	}
}

// appendChain appends X-Forwarded-For: the direct peer, behind those whom a trusted
// one names. Nothing that another client claims gets in (security G11).
func (d *draft) appendChain(b []byte) []byte {
	from := len(b)
	if d.chain {
		for v := range d.r.Header.Values("x-forwarded-for") {
			b = appendItem(b, from, v)
		}
	}
	if a := d.r.Conn.Client; a.IsValid() {
		b = appendAddr(appendItem(b, from, ""), a)
	}
	return b
}

// appendItem appends an element to the list that begins at from.
func appendItem(b []byte, from int, item string) []byte {
	if len(b) > from {
		b = append(b, ", "...)
	}
	return append(b, item...)
}

func appendAddr(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return b // a unix socket has none
	}
	return a.Addr().Unmap().WithZone("").AppendTo(b)
}

// appendElements appends Forwarded (RFC 7239), where it is asked for.
func (d *draft) appendElements(b []byte) []byte {
	if !d.p.forwarded {
		return b
	}
	from := len(b)
	if d.element {
		for v := range d.r.Header.Values("forwarded") {
			b = appendItem(b, from, v)
		}
	}
	b = appendItem(b, from, "for=")
	switch a := d.r.Conn.Client.Addr().Unmap(); {
	case !a.IsValid():
		b = append(b, "unknown"...)
	case a.Is6(): // RFC 7239 §6: brackets, and so quotes
		b = append(appendAddr(append(b, `"[`...), d.r.Conn.Client), `]"`...)
	default:
		b = appendAddr(b, d.r.Conn.Client)
	}
	if d.r.Authority != "" { // ":" makes it no token; nothing in it needs an escape
		b = append(append(append(b, `;host="`...), d.r.Authority...), '"')
	}
	return append(append(b, ";proto="...), d.r.Scheme...)
}

// appendPrefix appends X-Forwarded-Prefix: what a trusted proxy has taken off the path
// before, and what was now.
func (d *draft) appendPrefix(b []byte, stripped bool) []byte {
	if d.prefix {
		before := d.r.Header.Get("x-forwarded-prefix")
		if stripped {
			before = strings.TrimRight(before, "/")
		}
		b = append(b, before...)
	}
	if stripped {
		b = append(b, d.p.strippedText...)
	}
	return b
}

// portOf returns the port that the client asked for.
func portOf(r *exchange.Request) string {
	if i := strings.LastIndexByte(r.Authority, ':'); i >= 0 && strings.IndexByte(r.Authority[i:], ']') < 0 {
		return r.Authority[i+1:]
	}
	if r.Scheme == "https" {
		return "443"
	}
	return "80"
}
