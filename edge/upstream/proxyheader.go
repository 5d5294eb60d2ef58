package upstream

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// proxyLongest is the longest header of version 1 (proxy-protocol.txt, section 2.1).
const proxyLongest = 107

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// appendProxy appends the header of that version which says that the connection is
// src's to dst. Where either is unknown, it says that nothing is known (UNKNOWN,
// LOCAL). Only addresses and ports get in, in forms of fixed size: no zone, which is
// free text, and nothing else that a client has said (security P19).
func appendProxy(b []byte, version int, src, dst netip.AddrPort) []byte {
	from, to := src.Addr().Unmap().WithZone(""), dst.Addr().Unmap().WithZone("")
	known := from.IsValid() && to.IsValid()
	if known && from.Is4() != to.Is4() {
		// Both have to be of one family.
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	if version == 1 {
		return appendProxy1(b, known, netip.AddrPortFrom(from, src.Port()), netip.AddrPortFrom(to, dst.Port()))
	}
	b = append(b, proxySignature...)
	switch {
	case !known:
		return append(b, 0x20, 0, 0, 0) // version 2, LOCAL; no family; no addresses
	case from.Is4():
		b = append(b, 0x21, 0x11, 0, 12) // PROXY; TCP over IPv4; two addresses and ports
	default:
		b = append(b, 0x21, 0x21, 0, 36)
	}
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}

func appendProxy1(b []byte, known bool, src, dst netip.AddrPort) []byte {
	if !known {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP4 "
	if !src.Addr().Is4() {
		family = "TCP6 "
	}
	b = append(append(b, "PROXY "...), family...)
	b = append(src.Addr().AppendTo(b), ' ')
	b = append(dst.Addr().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(src.Port()), 10), ' ')
	return append(strconv.AppendUint(b, uint64(dst.Port()), 10), "\r\n"...)
}
