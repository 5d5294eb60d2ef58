package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/proxy"
)

// stream is a request over HTTP/2 or HTTP/3, as a hostile client may make it, and what
// of it an upstream that speaks HTTP/1.1 may see.
type stream struct {
	name    string
	fields  [][2]string // pseudo fields among them
	data    []string    // DATA frames
	trailer [][2]string
	want    []string
	// mended is what may be forwarded as well: libraries repair what can be read in one
	// way only.
	mended string
	// check looks at what was forwarded.
	check func(*message) error
}

// ask returns the fields of a request for /p by method, and more.
func ask(method string, more ...string) [][2]string {
	return plus([][2]string{{":method", method}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/p"}}, more...)
}

func plus(fields [][2]string, more ...string) [][2]string {
	for i := 0; i+1 < len(more); i += 2 {
		fields = append(fields, [2]string{more[i], more[i+1]})
	}
	return fields
}

// with replaces a pseudo field.
func with(name, value string) [][2]string {
	fields := ask("GET")
	i := slices.IndexFunc(fields, func(f [2]string) bool { return f[0] == name })
	fields[i][1] = value
	return fields
}

func without(name string, more ...string) [][2]string {
	return plus(slices.DeleteFunc(ask("GET"), func(f [2]string) bool { return f[0] == name }), more...)
}

var streams = []stream{
	{name: "plain", fields: ask("GET", "x", "y"), want: []string{`GET /p a.test ""`}},
	{name: "body", fields: ask("POST"), data: []string{"ab", "", "c"}, want: []string{`POST /p a.test "abc"`}},
	{name: "body of a length", fields: ask("POST", "content-length", "3"), data: []string{"abc"}, want: []string{`POST /p a.test "abc"`},
		check: func(m *message) error {
			if m.length != 3 {
				return fmt.Errorf("length %d", m.length)
			}
			return nil
		}},
	{name: "request as a body", fields: ask("POST"), data: []string{prefixed}, want: []string{fmt.Sprintf("POST /p a.test %q", prefixed)}},
	{name: "trailer", fields: ask("POST", "te", "trailers", "trailer", "x-sum"), data: []string{"abc"}, trailer: [][2]string{{"x-sum", "1"}}, want: []string{`POST /p a.test "abc"`},
		check: func(m *message) error {
			if m.trailer != "x-sum: 1\n" || !slices.Equal(m.values("te"), []string{"trailers"}) {
				return fmt.Errorf("trailer %q, te %q", m.trailer, m.values("te"))
			}
			return nil
		}},
	{name: "cookie crumbs", fields: ask("GET", "cookie", "a=1", "cookie", "b=2"), want: []string{`GET /p a.test ""`},
		check: func(m *message) error {
			if got := m.values("cookie"); !slices.Equal(got, []string{"a=1; b=2"}) {
				return fmt.Errorf("cookies %q", got)
			}
			return nil
		}},

	// Line ends and other bytes that HTTP/1.1 cuts at (RFC 9113 §8.2.1, RFC 9114 §4.2; security P2, P4).
	{name: "CRLF in a value", fields: ask("GET", "x", "y\r\nX-Smuggled: z")},
	{name: "LF in a value", fields: ask("GET", "x", "y\nX-Smuggled: z")},
	{name: "CR in a value", fields: ask("GET", "x", "y\rX-Smuggled: z")},
	{name: "NUL in a value", fields: ask("GET", "x", "y\x00z")},
	{name: "request in a value", fields: ask("GET", "x", "y\r\n\r\n"+prefixed)},
	{name: "CRLF in a name", fields: ask("GET", "x\r\ny", "z")},
	{name: "colon in a name", fields: ask("GET", "x: y\r\nz", "z")},
	{name: "space in a name", fields: ask("GET", "x y", "z")},
	{name: "empty name", fields: ask("GET", "", "z")},
	{name: "upper case in a name", fields: ask("GET", "Content-Length", "3"), data: []string{"abc"}},
	{name: "space in the method", fields: with(":method", "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\nGET")},
	{name: "empty method", fields: with(":method", "")},
	{name: "space in the path", fields: with(":path", "/p HTTP/1.1\r\nX: y")},
	{name: "blank in the path", fields: with(":path", "/p q")},
	{name: "tab in the path", fields: with(":path", "/p\tq")},
	{name: "fragment in the path", fields: with(":path", "/p#q")},
	{name: "encoded line end in the path", fields: with(":path", "/p%0d%0aX:%20y")},
	{name: "path without a slash", fields: with(":path", "p")},
	{name: "path in absolute form", fields: with(":path", "http://b.test/p")},
	{name: "path like an authority", fields: with(":path", "//b.test/p"), want: []string{`GET /b.test/p a.test ""`}},
	{name: "empty path", fields: with(":path", "")},
	{name: "asterisk", fields: with(":path", "*")},
	{name: "line end in the authority", fields: with(":authority", "a.test\r\nX: y")},
	{name: "path in the authority", fields: with(":authority", "a.test/x")},
	{name: "user in the authority", fields: with(":authority", "a.test@b.test")},
	{name: "line end in the scheme", fields: with(":scheme", "https\r\nX: y")},
	{name: "two paths", fields: ask("GET", ":path", "/q")},
	{name: "no path", fields: without(":path")},
	{name: "no method", fields: without(":method")},
	{name: "pseudo field behind others", fields: without(":path", "x", "y", ":path", "/p")},
	{name: "unknown pseudo field", fields: ask("GET", ":x", "y")},
	{name: "pseudo field of responses", fields: ask("GET", ":status", "200")},
	{name: "another host", fields: ask("GET", "host", "b.test")},
	{name: "CONNECT", fields: [][2]string{{":method", "CONNECT"}, {":authority", "a.test:80"}}, data: []string{prefixed}},

	// Fields of connections (RFC 9113 §8.2.2, RFC 9114 §4.2).
	{name: "transfer-encoding", fields: ask("POST", "transfer-encoding", "chunked"), data: []string{"0\r\n\r\n" + prefixed}},
	{name: "connection", fields: ask("GET", "connection", "x-forwarded-for")},
	{name: "keep-alive", fields: ask("GET", "keep-alive", "timeout=5")},
	{name: "upgrade", fields: ask("GET", "upgrade", "websocket")},
	{name: "te", fields: ask("GET", "te", "gzip")},
	{name: "coding in another spelling", fields: ask("POST", "transfer_encoding", "chunked"), data: []string{"abc"}, want: []string{`POST /p a.test "abc"`},
		check: func(m *message) error {
			if got := m.values("transfer_encoding"); got != nil {
				return fmt.Errorf("forwarded %q", got)
			}
			return nil
		}},

	// Lengths that do not agree (security P1, Q8).
	{name: "length without a body", fields: ask("POST", "content-length", "10")},
	{name: "length of GET without a body", fields: ask("GET", "content-length", "10")},
	{name: "length too large", fields: ask("POST", "content-length", "10"), data: []string{"abc"}},
	{name: "length too small", fields: ask("POST", "content-length", "1"), data: []string{"a" + prefixed}},
	{name: "length 0 with a body", fields: ask("POST", "content-length", "0"), data: []string{prefixed}},
	{name: "length twice", fields: ask("POST", "content-length", "3", "content-length", "3"), data: []string{"abc"}, mended: `POST /p a.test "abc"`},
	{name: "lengths", fields: ask("POST", "content-length", "3", "content-length", "5"), data: []string{"abcde"}},
	{name: "length list", fields: ask("POST", "content-length", "3, 3"), data: []string{"abc"}},
	{name: "length plus", fields: ask("POST", "content-length", "+3"), data: []string{"abc"}},
	{name: "empty length", fields: ask("POST", "content-length", ""), data: []string{"abc"}, mended: `POST /p a.test "abc"`},
	{name: "trailer frames", fields: ask("POST"), data: []string{"abc"}, trailer: [][2]string{{"content-length", "50"}}, mended: `POST /p a.test "abc"`,
		check: func(m *message) error {
			if m.trailer != "" {
				return fmt.Errorf("trailer %q", m.trailer)
			}
			return nil
		}},
	{name: "pseudo field in the trailer", fields: ask("POST"), data: []string{"abc"}, trailer: [][2]string{{":path", "/q"}}},
	{name: "line end in the trailer", fields: ask("POST"), data: []string{"abc"}, trailer: [][2]string{{"x", "y\r\n\r\n" + prefixed}}},
}

// TestSmuggling_Downgrades: what HTTP/2 and HTTP/3 can say and HTTP/1.1 cannot does not
// get into it.
func TestSecurity_P2_DowngradesAreReadInOneWay(t *testing.T) {
	t.Parallel()
	for proto, send := range map[string]func(*testing.T, *fixture, *stream){"h2": sendOver2, "h3": sendOver3} {
		for _, s := range streams {
			t.Run(proto+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, proxy.Options{})
				send(t, f, &s)
				want := s.want
				if f.end(); s.mended != "" && len(f.got) > 0 {
					want = []string{s.mended}
				}
				f.check(t, fmt.Sprintf("%q", s.fields), want)
				for _, m := range f.got {
					if s.check == nil {
						continue
					}
					if err := s.check(m); err != nil {
						t.Errorf("forwarded: %v", err)
					}
				}
			})
		}
	}
}

// sendOver2 sends s by frames of its own, and waits for the stream's end.
func sendOver2(t *testing.T, f *fixture, s *stream) {
	c := f.dial(t)
	defer c.Close()
	fr := http2.NewFramer(c, c)
	block := func(fields [][2]string) []byte {
		var b bytes.Buffer
		enc := hpack.NewEncoder(&b)
		for _, f := range fields {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		return b.Bytes()
	}
	_, _ = io.WriteString(c, http2.ClientPreface)
	_ = fr.WriteSettings()
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(s.fields), EndHeaders: true, EndStream: s.data == nil && s.trailer == nil})
	for i, d := range s.data {
		_ = fr.WriteData(1, s.trailer == nil && i == len(s.data)-1, []byte(d))
	}
	if s.trailer != nil {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(s.trailer), EndHeaders: true, EndStream: true})
	}
	// What could not be written shows in the answer, or in its absence.
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			if frame.StreamEnded() {
				return
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return
		}
	}
}

// sendOver3 does the same over HTTP/3.
func sendOver3(t *testing.T, f *fixture, s *stream) {
	conf := f.client.Clone()
	conf.NextProtos = []string{"h3"}
	ctx, cancel := context.WithTimeout(t.Context(), waitAtMost)
	defer cancel()
	conn, err := quic.DialAddr(ctx, f.server.Addrs()[1].String(), conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseWithError(0x100, "") // H3_NO_ERROR
	control, err := conn.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = control.Write([]byte{0, 4, 0}) // a control stream, and SETTINGS that are empty
	st, err := conn.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	frame := func(kind uint64, payload []byte) []byte {
		b := quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload)))
		return append(b, payload...)
	}
	all := frame(1, literals(s.fields))
	for _, d := range s.data {
		all = append(all, frame(0, []byte(d))...)
	}
	if s.trailer != nil {
		all = append(all, frame(1, literals(s.trailer))...)
	}
	_, _ = st.Write(all)
	_ = st.Close()
	_ = st.SetReadDeadline(deadline())
	_, _ = io.Copy(io.Discard, st) // to the end of the answer, or of the stream
}

// literals is a header block that refers to no table (RFC 9204 §4.5.6).
func literals(fields [][2]string) []byte {
	b := []byte{0, 0}
	for _, f := range fields {
		b = append(prefixInt(b, 0x20, 3, len(f[0])), f[0]...)
		b = append(prefixInt(b, 0, 7, len(f[1])), f[1]...)
	}
	return b
}

// prefixInt appends n as RFC 7541 §5.1 has it, behind the bits of first.
func prefixInt(b []byte, first byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(b, first|byte(n))
	}
	b = append(b, first|byte(most))
	for n -= most; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}
