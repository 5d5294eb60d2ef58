package listen_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/weirproxy/weir/edge/listen"
)

// wire is a connection whose bytes are there already, delivered by r.
type wire struct {
	net.Conn
	r      io.Reader
	closed bool
}

func (w *wire) Read(p []byte) (int, error)      { return w.r.Read(p) }
func (w *wire) SetReadDeadline(time.Time) error { return nil }
func (w *wire) Close() error                    { w.closed = true; return nil }

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 builds a header of version 2.
func v2(command, family byte, body string) string {
	b := append([]byte(signature), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(body)))) + body
}

func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// withChecksum appends a CRC32c extension, off by delta.
func withChecksum(body string, delta uint32) string {
	h := []byte(v2(0x21, 0x11, body+tlv(3, "\x00\x00\x00\x00")))
	sum := crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)) + delta
	return string(binary.BigEndian.AppendUint32(h[:len(h)-4], sum))
}

const (
	body4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\xd2\x01\xbb" // 192.0.2.1:1234 to 198.51.100.2:443
	body6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x04\xd2\x01\xbb"
	mapped6 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x02\x04\xd2\x01\xbb"
)

var (
	src4 = netip.MustParseAddrPort("192.0.2.1:1234")
	dst4 = netip.MustParseAddrPort("198.51.100.2:443")
	src6 = netip.MustParseAddrPort("[2001:db8::1]:1234")
	dst6 = netip.MustParseAddrPort("[2001:db8::2]:443")
)

type proxyCase struct {
	name, header string
	src, dst     netip.AddrPort
	local        bool
}

func goodHeaders() []proxyCase {
	return []proxyCase{
		{"v1 IPv4", "PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r\n", src4, dst4, false},
		{"v1 shortest", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", netip.MustParseAddrPort("1.1.1.1:1"), netip.MustParseAddrPort("2.2.2.2:2"), false},
		{"v1 shortest IPv6", "PROXY TCP6 :: :: 0 0\r\n", netip.MustParseAddrPort("[::]:0"), netip.MustParseAddrPort("[::]:0"), false},
		{"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1234 443\r\n", src6, dst6, false},
		{"v1 longest IPv6", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
			netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"), netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"), false},
		{"v1 IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1234 443\r\n", src4, dst4, false},
		{"v1 unknown", "PROXY UNKNOWN\r\n", netip.AddrPort{}, netip.AddrPort{}, true},
		{"v1 unknown with more", "PROXY UNKNOWN ffff::1 x y\r\n", netip.AddrPort{}, netip.AddrPort{}, true},
		{"v1 unknown, 107 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", netip.AddrPort{}, netip.AddrPort{}, true},
		{"v2 IPv4", v2(0x21, 0x11, body4), src4, dst4, false},
		{"v2 IPv6", v2(0x21, 0x21, body6), src6, dst6, false},
		{"v2 IPv4 in IPv6", v2(0x21, 0x21, mapped6), src4, dst4, false},
		{"v2 with extensions", v2(0x21, 0x11, body4+tlv(2, "example.com")+tlv(4, "")), src4, dst4, false},
		{"v2 with a long extension", v2(0x21, 0x11, body4+tlv(0xee, strings.Repeat("c", 4000))), src4, dst4, false},
		{"v2 with checksum", withChecksum(body4, 0), src4, dst4, false},
		{"v2 local", v2(0x20, 0x00, ""), netip.AddrPort{}, netip.AddrPort{}, true},
		{"v2 local with addresses", v2(0x20, 0x11, body4), netip.AddrPort{}, netip.AddrPort{}, true},
		{"v2 local with anything", v2(0x20, 0x11, "\x01\x02\x03"), netip.AddrPort{}, netip.AddrPort{}, true},
		{"v2 unspecified", v2(0x21, 0x00, ""), netip.AddrPort{}, netip.AddrPort{}, true},
		{"v2 unix", v2(0x21, 0x31, strings.Repeat("\x00", 216)), netip.AddrPort{}, netip.AddrPort{}, true},
		{"v2 UDP", v2(0x21, 0x12, body4), netip.AddrPort{}, netip.AddrPort{}, true},
	}
}

func TestReadProxy_TakesTheHeaderAndNothingMore(t *testing.T) {
	t.Parallel()
	for _, c := range goodHeaders() {
		for how, deliver := range map[string]func(io.Reader) io.Reader{
			"at once":      func(r io.Reader) io.Reader { return r },
			"byte by byte": iotest.OneByteReader,
			"in halves":    iotest.HalfReader,
		} {
			rest := strings.NewReader(c.header + "GET / HTTP/1.1\r\n")
			w := &wire{r: deliver(rest)}
			src, dst, local, err := listen.ReadProxy(w, time.Time{})
			if err != nil || src != c.src || dst != c.dst || local != c.local || w.closed {
				t.Errorf("%s, %s: %v, %v, local %v, %v, closed %v; want %v, %v, local %v, open", c.name, how, src, dst, local, err, w.closed, c.src, c.dst, c.local)
			}
			if left, _ := io.ReadAll(rest); string(left) != "GET / HTTP/1.1\r\n" {
				t.Errorf("%s, %s: left on the wire %q; want the whole request", c.name, how, left)
			}
		}
	}
}

func TestSecurity_P19_ProxyHeaderIsLengthChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, header, cause string }{
		{"nothing", "", "ended within"},
		{"a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "no PROXY header"},
		{"a ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "no PROXY header"},
		{"a POST", "POST / HTTP/1.1\r\n\r\n", "no PROXY header"},
		{"lower case", "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "no PROXY header"},
		{"PROXYJUNK", "PROXYJUNK TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "no PROXY header"},
		{"v1 cut", "PROXY TCP4 192.0.2.1 198.51", "ended within"},
		{"v1 ends in CR", "PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r", "ended within"},
		{"v1 with LF alone", "PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\nGET", "CR LF"},
		{"v1 with CR inside", "PROXY TCP4 192.0.2.1 198.51.100.2 1234\r443\r\n", "CR LF"},
		{"v1 without fields", "PROXY \r\n        ", "CR LF"},
		{"v1 too few fields", "PROXY TCP4 192.0.2.1 198.51.100.2 1234\r\nGET / HTTP/1.1\r\n", "is not PROXY"},
		{"v1 one field", "PROXY TCP4 192.0.2.1\r\nGET / HTTP/1.1\r\n", "before its fields"},
		{"v1 too many fields", "PROXY TCP4 192.0.2.1 198.51.100.2 1234 443 x\r\n", "is not PROXY"},
		{"v1 two spaces", "PROXY TCP4  192.0.2.1 198.51.100.2 1234 443\r\n", "is not PROXY"},
		{"v1 108 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "longer than 107"},
		{"v1 endless", "PROXY TCP4 " + strings.Repeat("1", 5000), "longer than 107"},
		{"v1 UDP4", "PROXY UDP4 192.0.2.1 198.51.100.2 1234 443\r\n", "is not PROXY"},
		{"v1 UNKNOWNX", "PROXY UNKNOWNX\r\n", "is not PROXY"},
		{"v1 IPv6 as TCP4", "PROXY TCP4 2001:db8::1 2001:db8::2 1234 443\r\n", "no address of its family"},
		{"v1 IPv4 as TCP6", "PROXY TCP6 192.0.2.1 198.51.100.2 1234 443\r\n", "no address of its family"},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 1234 443\r\n", "no address of its family"},
		{"v1 leading zero in address", "PROXY TCP4 192.0.2.01 198.51.100.2 1234 443\r\n", "no address"},
		{"v1 port 65536", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", "no port"},
		{"v1 port 01", "PROXY TCP4 192.0.2.1 198.51.100.2 01 443\r\n", "no port"},
		{"v1 port +1", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n", "no port"},
		{"v1 NUL", "PROXY TCP4 192.0.2.1\x00 198.51.100.2 1234 443\r\n", "no address"},
		{"v2 cut in signature", signature[:7], "ended within"},
		{"v2 wrong signature", "\r\n\r\n\x00\r\nQUIX\n" + v2(0x21, 0x11, body4)[12:], "no PROXY header"},
		{"v2 cut in head", v2(0x21, 0x11, body4)[:15], "ended within"},
		{"v2 cut in body", v2(0x21, 0x11, body4)[:20], "ended within"},
		{"v2 version 1", v2(0x11, 0x11, body4), "unknown version"},
		{"v2 command 2", v2(0x22, 0x11, body4), "unknown version"},
		{"v2 protocol 3", v2(0x21, 0x13, body4), "unknown family"},
		{"v2 family 4", v2(0x21, 0x41, body4), "unknown family"},
		{"v2 local, family 4", v2(0x20, 0x41, body4), "unknown family"},
		{"v2 too short for IPv4", v2(0x21, 0x11, body4[:11]), "too few"},
		{"v2 too short for IPv6", v2(0x21, 0x21, body6[:35]), "too few"},
		{"v2 empty IPv4", v2(0x21, 0x11, ""), "too few"},
		{"v2 too short for unix", v2(0x21, 0x31, body6), "too few"},
		{"v2 64 KiB", v2(0x21, 0x11, strings.Repeat("\x00", 65535)), "at most 4096"},
		{"v2 extension cut", v2(0x21, 0x11, body4+"\x02\x00"), "cut short"},
		{"v2 extension too long", v2(0x21, 0x11, body4+"\x02\x00\x05abc"), "longer than the header"},
		{"v2 checksum wrong", withChecksum(body4, 1), "checksum does not match"},
		{"v2 checksum short", v2(0x21, 0x11, body4+tlv(3, "\x00")), "wrong length"},
	} {
		w := &wire{r: iotest.OneByteReader(strings.NewReader(c.header))}
		src, dst, local, err := listen.ReadProxy(w, time.Time{})
		if err == nil || !strings.Contains(err.Error(), c.cause) || !w.closed || src.IsValid() || dst.IsValid() || local {
			t.Errorf("%s: %v, %v, local %v, %v, closed %v; want only an error with %q, and the connection closed", c.name, src, dst, local, err, w.closed, c.cause)
		}
	}
}

// A peer that is silent, or slow, ends at the deadline that its connection got
// when it was accepted (security P12); one that speaks something else at once.
func TestSecurity_P12_ProxyHeaderHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			sent string
			want error
			took time.Duration
		}{
			{"", os.ErrDeadlineExceeded, 5 * time.Second},
			{"PROXY TCP4 192.0.2.1 ", os.ErrDeadlineExceeded, 5 * time.Second},
			{signature, os.ErrDeadlineExceeded, 5 * time.Second},
			{"GET", listen.ErrNoProxyHeader, 0},
			{"\x16\x03", listen.ErrNoProxyHeader, 0},
		} {
			client, server := net.Pipe()
			go func() { _, _ = client.Write([]byte(c.sent)) }()
			start := time.Now()
			_, _, _, err := listen.ReadProxy(server, start.Add(5*time.Second))
			if took := time.Since(start); !errors.Is(err, c.want) || took != c.took {
				t.Errorf("after %q: %v in %v; want %v in %v", c.sent, err, took, c.want, c.took)
			}
			_ = client.Close()
		}
	})
}

// FuzzReadProxy compares with an independent parser, as a smuggled header would
// have to pass two of them.
func FuzzReadProxy(f *testing.F) {
	for _, c := range goodHeaders() {
		f.Add([]byte(c.header + "rest"))
	}
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.2 1234\r\n"))
	f.Add([]byte(withChecksum(body4, 1)))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		src, dst, local, err := listen.ReadProxy(&wire{r: iotest.OneByteReader(r)}, time.Time{})
		if err != nil {
			return
		}
		other := bytes.NewReader(in)
		buffered := bufio.NewReaderSize(other, len(in)+16)
		h, otherErr := proxyproto.Read(buffered)
		if h == nil {
			// The one difference wanted: version 2 of unspecified family is direct here.
			if !local || len(in) < 14 || in[13] != 0 {
				t.Fatalf("%q: taken here (%v, %v, local %v); the other parser says %v", in, src, dst, local, otherErr)
			}
			return
		}
		if left := buffered.Buffered() + other.Len(); left != r.Len() {
			t.Errorf("%q: %d bytes left; the other parser leaves %d", in, r.Len(), left)
		}
		if tcp, tcpDst, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
			if local || unmap(tcp.AddrPort()) != src || unmap(tcpDst.AddrPort()) != dst {
				t.Errorf("%q: %v, %v, local %v; the other parser has %v, %v", in, src, dst, local, tcp, tcpDst)
			}
		} else if !local {
			t.Errorf("%q: %v, %v; the other parser has no TCP addresses", in, src, dst)
		}
	})
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func BenchmarkReadProxy(b *testing.B) {
	for _, c := range goodHeaders() {
		if c.name != "v1 IPv4" && c.name != "v2 IPv4" {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			r := strings.NewReader(c.header)
			w := &wire{r: r}
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(c.header)
				if _, _, _, err := listen.ReadProxy(w, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
