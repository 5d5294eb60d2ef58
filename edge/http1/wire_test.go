package http1

import (
	"strings"
	"testing"
)

// exchanges is a table of raw requests: all of them are sent over one connection,
// whose sending half is then closed. want lists the statuses; contains is in the
// bodies, one for each response.
var exchanges = []struct {
	name, send string
	want       string
	contains   []string
}{
	{"RFC9112 §3 origin form", "GET /a?b=c HTTP/1.1\r\nHost: x.com\r\n\r\n", "200", []string{"GET /a?b=c HTTP/1.1 host=x.com"}},
	{"RFC9112 §3 two requests", "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"/1", "/2"}},
	{"RFC9112 §3 two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"malformed request line"}},
	{"RFC9112 §3 space in target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"malformed HTTP version"}},
	{"RFC9112 §3 tab", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"method is not a token"}},
	{"RFC9112 §3 HTTP/0.9", "GET /\r\n\r\n", "400", []string{"malformed request line"}},
	{"RFC9112 §3.1 method in any case", "geT / HTTP/1.1\r\nHost: x\r\n\r\n", "200", []string{"geT /"}},
	{"RFC9112 §3.1 method not a token", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"method is not a token"}},
	{"RFC9112 §3.1 no method", " / HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"malformed request line"}},
	{"RFC9112 §2.3 version 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", []string{"not supported"}},
	{"RFC9112 §2.3 version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505", []string{"not supported"}},
	{"RFC9112 §2.3 version in lower case", "GET / http/1.1\r\nHost: x\r\n\r\n", "400", []string{"malformed HTTP version"}},
	{"RFC9112 §2.3 version of two digits", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", "400", []string{"malformed HTTP version"}},
	{"RFC9112 §2.2 one empty line first", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "200", []string{"GET /"}},
	{"RFC9112 §2.2 empty line between", "GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"", "/2"}},
	{"RFC9112 §2.2 two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"empty lines"}},
	{"RFC9112 §2.2 bare LF", "GET / HTTP/1.1\nHost: x\n\n", "400", []string{"bare LF"}},
	{"RFC9112 §2.2 bare LF after a field", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "400", []string{"bare LF"}},
	{"RFC9112 §2.2 bare CR in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400", []string{"bare CR"}},
	{"RFC9112 §2.2 bare CR in the line", "GET / HTTP/1.1\rX\r\nHost: x\r\n\r\n", "400", []string{"bare CR"}},
	{"RFC9112 §2.2 LF CR", "GET / HTTP/1.1\r\nHost: x\r\n\n\r\n\r\n", "400", []string{"bare LF"}},
	{"RFC9112 §3.2 fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"fragment"}},
	{"RFC9112 §3.2 raw UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"forbidden character"}},
	{"RFC9112 §3.2 control", "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"forbidden character"}},
	{"RFC9112 §3.2 relative", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"no known form"}},
	{"RFC9112 §3.2.1 path above root keeps the connection", "GET /../x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400 200", []string{"above the root", ""}},
	{"RFC9112 §3.2.2 absolute form", "GET http://X.com:80/a?b HTTP/1.1\r\nHost: x.com\r\n\r\n", "200", []string{"GET /a?b HTTP/1.1 host=x.com"}},
	{"RFC9112 §3.2.2 absolute without path", "GET http://x.com HTTP/1.1\r\nHost: x.com:80\r\n\r\n", "200", []string{"GET / "}},
	{"RFC9112 §3.2.2 absolute with query only", "GET HTTP://x.com?q HTTP/1.1\r\nHost: x.com\r\n\r\n", "200", []string{"GET /?q "}},
	{"RFC9112 §3.2.2 other authority", "GET http://y.com/ HTTP/1.1\r\nHost: x.com\r\n\r\n", "400", []string{"not the target's authority"}},
	{"RFC9112 §3.2.2 other port", "GET http://x.com:81/ HTTP/1.1\r\nHost: x.com\r\n\r\n", "400", []string{"not the target's authority"}},
	{"RFC9112 §3.2.2 userinfo", "GET http://u@x.com/ HTTP/1.1\r\nHost: x.com\r\n\r\n", "400", []string{"malformed host"}},
	{"RFC9112 §3.2.2 unknown scheme", "GET ftp://x.com/ HTTP/1.1\r\nHost: x.com\r\n\r\n", "400", []string{"no known form"}},
	{"RFC9110 §7.4 scheme of another connection", "GET https://x.com/ HTTP/1.1\r\nHost: x.com\r\n\r\n", "421", []string{"scheme"}},
	{"RFC9112 §3.2.2 absolute in HTTP/1.0 without Host", "GET http://x.com/ HTTP/1.0\r\n\r\n", "200", []string{"host=x.com"}},
	{"RFC9112 §3.2.3 CONNECT", "CONNECT x.com:443 HTTP/1.1\r\nHost: x.com:443\r\n\r\n", "405", []string{"CONNECT"}},
	{"RFC9112 §3.2.3 CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: x.com\r\n\r\n", "400", []string{"CONNECT"}},
	{"RFC9112 §3.2.3 authority form without CONNECT", "GET x.com:443 HTTP/1.1\r\nHost: x.com:443\r\n\r\n", "400", []string{"no known form"}},
	{"RFC9112 §3.2.4 asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200", []string{"OPTIONS * "}},
	{"RFC9112 §3.2.4 asterisk by absolute form", "OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n", "200", []string{"OPTIONS * "}},
	{"RFC9112 §3.2.4 asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "400", []string{"asterisk"}},
	{"RFC9112 §3.2 no Host", "GET / HTTP/1.1\r\n\r\n", "400", []string{"no Host"}},
	{"RFC9112 §3.2 two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400", []string{"several Host"}},
	{"RFC9112 §3.2 empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400", []string{"malformed host"}},
	{"RFC9110 §7.2 Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400", []string{"malformed host"}},
	{"RFC9112 §5 no space after the colon", "GET / HTTP/1.1\r\nHost:x\r\n\r\n", "200", []string{"host=x"}},
	{"RFC9112 §5.1 space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400", []string{"space before the colon"}},
	{"RFC9112 §5.2 folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400", []string{"folded"}},
	{"RFC9112 §5.2 folded first line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "400", []string{"folded"}},
	{"RFC9110 §5.1 name not a token", "GET / HTTP/1.1\r\nHost: x\r\nA(b: c\r\n\r\n", "400", []string{"not a token"}},
	{"RFC9110 §5.1 no colon", "GET / HTTP/1.1\r\nHost: x\r\nAbc\r\n\r\n", "400", []string{"not a token"}},
	{"RFC9110 §5.5 NUL", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", "400", []string{"control character"}},
	{"RFC9110 §5.5 DEL", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x7fc\r\n\r\n", "400", []string{"control character"}},
	{"RFC9110 §5.5 bytes over 127 and tab", "GET / HTTP/1.1\r\nHost: x\r\nA: \xe9\tx\r\n\r\n", "200", []string{"GET"}},
	{"RFC9112 §6.2 length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{`body="abc"`, "GET"}},
	{"RFC9112 §6.3 signed length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", "400", []string{"malformed Content-Length"}},
	{"RFC9112 §6.3 length list", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", "400", []string{"malformed Content-Length"}},
	{"RFC9112 §6.3 length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400", []string{"several Content-Length"}},
	{"RFC9112 §6.3 hexadecimal length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", "400", []string{"malformed Content-Length"}},
	{"RFC9112 §6.3 length overflow", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\nabc", "400", []string{"too large"}},
	{"RFC9112 §6.3 length and coding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", []string{"Content-Length and Transfer-Encoding"}},
	{"RFC9112 §6.3 coding and length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400", []string{"Content-Length and Transfer-Encoding"}},
	{"RFC9112 §6.1 unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501", []string{"unknown transfer coding"}},
	{"RFC9112 §6.1 gzip, chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501", []string{"unknown transfer coding"}},
	{"RFC9112 §6.1 chunked not last", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400", []string{"not the last"}},
	{"RFC9112 §6.1 chunked twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", []string{"repeated"}},
	{"RFC9112 §6.1 coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", []string{"HTTP/1.0"}},
	{"RFC9112 §6.1 chunked in any case", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ChunKed\r\n\r\n1\r\na\r\n0\r\n\r\n", "200", []string{`body="a"`}},
	{"RFC9112 §7.1 chunks and trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\nAuthorization: dropped\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{`body="abc0123456789" x-t=v`, "GET"}},
	{"RFC9112 §7.1.1 extension", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0;z\r\n\r\n", "200", []string{`body="abc"`}},
	{"RFC9112 §7.1 no size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", "400", []string{"chunk size"}},
	{"RFC9112 §7.1 prefixed size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "400", []string{"chunk size"}},
	{"RFC9112 §7.1 space behind the size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", "400", []string{"chunk size"}},
	{"RFC9112 §7.1 size overflow", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nabc\r\n0\r\n\r\n", "400", []string{"chunk size too large"}},
	{"RFC9112 §7.1 size of 17 digits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000003\r\nabc\r\n0\r\n\r\n", "400", []string{"chunk size too large"}},
	{"RFC9112 §7.1 data without line end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "400", []string{"without its line end"}},
	{"RFC9112 §7.1.2 framing in the trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", "400", []string{"trailer"}},
	{"RFC9112 §7.1.2 malformed trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : 3\r\n\r\n", "400", []string{"space before the colon"}},
	{"RFC9112 §8 cut body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", "400", []string{"body cut short"}},
	{"RFC9112 §8 cut chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "400", []string{"body cut short"}},
	{"RFC9112 §8 no last chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "400", []string{"body cut short"}},
	{"RFC9112 §8 no end of the trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n", "400", []string{"body cut short"}},
	{"RFC9112 §8 cut head", "GET / HTTP/1.1\r\nHost: x\r\n", "", nil},
	{"RFC9112 §9.3 HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", "200", []string{"HTTP/1.0 host="}},
	{"RFC9112 §9.3 HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", "200 200", []string{"", ""}},
	{"RFC9112 §9.6 close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "200", []string{""}},
	{"RFC9110 §10.1.1 unknown expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\naGET / HTTP/1.1\r\nHost: x\r\n\r\n", "417 200", []string{"expectation", ""}},
	{"RFC6585 §5 request line", "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "414", []string{"line too long"}},
	{"RFC6585 §5 endless request line", strings.Repeat("A", 9000), "414", []string{"line too long"}},
	{"RFC6585 §5 header block", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 33<<10) + "\r\n\r\n", "431", []string{"header block"}},
	{"RFC6585 §5 endless header block", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 33<<10), "431", []string{"header block"}},
	{"RFC6585 §5 fields", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", "431", []string{"too many"}},
	{"a large head is fine", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 30<<10) + "\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"", "/2"}},
	{"TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00", "400", []string{"malformed request line"}},
}

func TestWire(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: describe}})
	for _, tt := range exchanges {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkStream(t, talk(t, addr, tt.send), tt.send, tt.want, tt.contains)
		})
	}
}

func checkStream(t *testing.T, got, send, want string, contains []string) {
	t.Helper()
	codes, bodies := statuses(t, got)
	if strings.Join(codes, " ") != want {
		t.Fatalf("statuses %v, want %s\nsent %.300q\ngot %q", codes, want, send, got)
	}
	for i, part := range contains {
		if !strings.Contains(bodies[i], part) {
			t.Errorf("response %d: body %q, want %q in it\nsent %.300q", i, bodies[i], part, send)
		}
	}
}

// TestWire_ByteByByte sends the same requests in single bytes: where a read ends
// must not matter.
func TestWire_ByteByByte(t *testing.T) {
	t.Parallel()
	for _, tt := range exchanges {
		if len(tt.send) > 1000 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := converse(t, Options{Dispatcher: edge{handle: describe}}, 1, tt.send)
			checkStream(t, got, tt.send, tt.want, tt.contains)
		})
	}
}
