package listen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt has it.
const (
	proxyV1Longest  = 107 // with CR LF (section 2.1)
	proxyV1Shortest = len("PROXY UNKNOWN\r\n")
	proxyV2Head     = 16
	// proxyV2Longest bounds what follows the head. The field could say 64 KiB; a
	// header that carries a client certificate has 2 KiB.
	proxyV2Longest = 4096

	tlvCRC32C = 0x03
)

const proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// ErrNoProxyHeader says that a connection that must start with a PROXY header
// starts with something else.
var ErrNoProxyHeader = errors.New("no PROXY header: the peer is listed as one that sends it")

// ReadProxy reads the PROXY header that a trusted peer must send first: src is the
// client, dst the address it asked for. local means that the header names nobody
// (LOCAL, UNKNOWN, a family other than TCP), so that the socket's own addresses
// hold. Exactly the header is read, no byte more, so c itself goes on to be used.
//
// The whole header must be there by deadline, which stays in force as c's read
// deadline. After an error c has been closed: there is no telling where the
// client's own bytes would begin.
func ReadProxy(c net.Conn, deadline time.Time) (src, dst netip.AddrPort, local bool, err error) {
	if err = c.SetReadDeadline(deadline); err == nil {
		src, dst, local, err = readProxy(c)
	}
	if err != nil {
		_ = c.Close()
		return netip.AddrPort{}, netip.AddrPort{}, false, fmt.Errorf("read PROXY header: %w", err)
	}
	return src, dst, local, nil
}

func readProxy(r io.Reader) (src, dst netip.AddrPort, local bool, err error) {
	var space [256]byte // holds all but the longest headers of version 2
	buf := space[:proxyV1Shortest]
	// A peer that is not ours may send less than a header and wait: what has come
	// is judged at once, instead of at the deadline.
	for n := 0; n < len(buf); {
		got, err := r.Read(buf[n:])
		n += got
		if !startsHeader(buf[:n]) {
			return src, dst, false, ErrNoProxyHeader
		}
		if err != nil && n < len(buf) {
			return src, dst, false, cut(err)
		}
	}
	if buf[0] == 'P' {
		return readV1(r, space[:proxyV1Shortest:proxyV1Longest])
	}
	return readV2(r, space[:])
}

func startsHeader(b []byte) bool {
	n := min(len(b), len("PROXY "))
	m := min(len(b), len(proxyV2Signature))
	return string(b[:n]) == "PROXY "[:n] || string(b[:m]) == proxyV2Signature[:m]
}

// readV1 reads the rest of the line in steps that cannot go past its end: each
// missing field needs a space and a character at least, and the end two bytes.
func readV1(r io.Reader, line []byte) (src, dst netip.AddrPort, local bool, err error) {
	for {
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			break // by construction the last byte
		}
		need := 2
		switch {
		case line[len(line)-1] == '\r':
			need = 1
		case line[len("PROXY ")] == 'T':
			need += 2 * max(0, 5-bytes.Count(line, []byte{' '}))
		}
		n := len(line)
		if n+need > cap(line) {
			return src, dst, false, fmt.Errorf("version 1: line is longer than %d bytes", proxyV1Longest)
		}
		line = line[:n+need]
		if _, err = io.ReadFull(r, line[n:]); err != nil {
			return src, dst, false, cut(err)
		}
		if i := bytes.IndexByte(line[n:], '\n'); i >= 0 && n+i != len(line)-1 {
			return src, dst, false, errors.New("version 1: line ends before its fields are complete")
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok || strings.ContainsRune(text, '\r') {
		return src, dst, false, errors.New("version 1: line does not end with CR LF")
	}
	return parseV1(text)
}

func parseV1(text string) (src, dst netip.AddrPort, local bool, err error) {
	if text == "PROXY UNKNOWN" || strings.HasPrefix(text, "PROXY UNKNOWN ") {
		return src, dst, true, nil
	}
	f := strings.Split(text, " ")
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return src, dst, false, fmt.Errorf("version 1: %q is not PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT", text)
	}
	if src, err = v1Address(f[1] == "TCP4", f[2], f[4]); err == nil {
		dst, err = v1Address(f[1] == "TCP4", f[3], f[5])
	}
	return src, dst, false, err
}

func v1Address(four bool, host, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is4() != four || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("version 1: %q is no address of its family", host)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("version 1: %q is no port", port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// readV2 reads what follows the 15 bytes that space begins with.
func readV2(r io.Reader, space []byte) (src, dst netip.AddrPort, local bool, err error) {
	if _, err = io.ReadFull(r, space[proxyV1Shortest:proxyV2Head]); err != nil {
		return src, dst, false, cut(err)
	}
	length := int(binary.BigEndian.Uint16(space[14:16]))
	if length > proxyV2Longest {
		return src, dst, false, fmt.Errorf("version 2: %d bytes announced, at most %d are taken", length, proxyV2Longest)
	}
	header := space
	if total := proxyV2Head + length; total <= len(space) {
		header = space[:total]
	} else {
		header = make([]byte, total)
		copy(header, space[:proxyV2Head])
	}
	if _, err = io.ReadFull(r, header[proxyV2Head:]); err != nil {
		return src, dst, false, cut(err)
	}
	return parseV2(header)
}

func parseV2(header []byte) (src, dst netip.AddrPort, local bool, err error) {
	command, family, body := header[12], header[13], header[proxyV2Head:]
	if command != 0x20 && command != 0x21 {
		return src, dst, false, fmt.Errorf("version 2: unknown version and command 0x%02x", command)
	}
	var addresses int
	switch family {
	case 0x00:
	case 0x11, 0x12:
		addresses = 12
	case 0x21, 0x22:
		addresses = 36
	case 0x31, 0x32:
		addresses = 216
	default:
		return src, dst, false, fmt.Errorf("version 2: unknown family and protocol 0x%02x", family)
	}
	if command == 0x20 { // LOCAL: whatever follows is to be skipped (section 2.2)
		return src, dst, true, nil
	}
	if len(body) < addresses {
		return src, dst, false, fmt.Errorf("version 2: %d bytes are too few for the addresses of family 0x%02x", len(body), family)
	}
	if err = checkTLVs(header, body[addresses:]); err != nil {
		return src, dst, false, err
	}
	switch family {
	case 0x11:
		return v2Address(body[0:4], body[8:10]), v2Address(body[4:8], body[10:12]), false, nil
	case 0x21:
		return v2Address(body[0:16], body[32:34]), v2Address(body[16:32], body[34:36]), false, nil
	}
	return src, dst, true, nil
}

func v2Address(ip, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// checkTLVs refuses extensions that do not fit their space (security P19), and a
// header whose checksum, where it has one, is wrong (section 2.2.3).
func checkTLVs(header, tlvs []byte) error {
	for len(tlvs) > 0 {
		if len(tlvs) < 3 {
			return errors.New("version 2: an extension is cut short")
		}
		length := int(binary.BigEndian.Uint16(tlvs[1:3]))
		if length > len(tlvs)-3 {
			return errors.New("version 2: an extension is longer than the header")
		}
		value := tlvs[3 : 3+length]
		if tlvs[0] == tlvCRC32C {
			if length != 4 {
				return errors.New("version 2: checksum has a wrong length")
			}
			want := binary.BigEndian.Uint32(value)
			clear(value)
			if crc32.Checksum(header, crc32.MakeTable(crc32.Castagnoli)) != want {
				return errors.New("version 2: checksum does not match")
			}
			binary.BigEndian.PutUint32(value, want)
		}
		tlvs = tlvs[3+length:]
	}
	return nil
}

func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the connection ended within it")
	}
	return err
}
