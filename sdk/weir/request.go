package weir

import (
	"iter"
	"unsafe"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Request is what a client asks. It is the filter's until that returns.
type Request struct {
	Header  Header
	Trailer Header // complete when the body has ended
	Body    *Body

	s *stream
}

// Method returns the method: "GET".
func (r *Request) Method() string { return r.Header.Get(":method") }

// SetMethod changes the method.
func (r *Request) SetMethod(m string) { r.Header.Set(":method", m) }

// Path returns path and query as the client sent them: "/a%20b?x=1".
func (r *Request) Path() string { return r.Header.Get(":path") }

// SetPath changes path and query.
func (r *Request) SetPath(p string) { r.Header.Set(":path", p) }

// Authority returns host and port that the client asks for: "example.com".
func (r *Request) Authority() string { return r.Header.Get(":authority") }

// SetAuthority changes host and port.
func (r *Request) SetAuthority(a string) { r.Header.Set(":authority", a) }

// Scheme returns "http" or "https".
func (r *Request) Scheme() string { return r.Header.Get(":scheme") }

// URLPath returns the path without its query, as it was sent.
func (r *Request) URLPath() string {
	path, _ := cut(r.Path(), '?')
	return path
}

// Query returns the first value of a parameter of the query, decoded; "" if there is
// none.
func (r *Request) Query(name string) string {
	_, query := cut(r.Path(), '?')
	for query != "" {
		var pair string
		pair, query = cut(query, '&')
		key, value := cut(pair, '=')
		if unescape(key) == name {
			return unescape(value)
		}
	}
	return ""
}

// Cookie returns the value of a cookie, and whether there is one of that name.
func (r *Request) Cookie(name string) (string, bool) {
	for key, value := range r.Cookies() {
		if key == name {
			return value, true
		}
	}
	return "", false
}

// Cookies iterates over names and values of the cookies that the client sent.
func (r *Request) Cookies() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, line := range r.Header.Values("cookie") {
			for line != "" {
				var pair string
				pair, line = cut(line, ';')
				key, value := cut(pair, '=')
				key, value = trim(key), trim(value)
				if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
					value = value[1 : len(value)-1]
				}
				if key != "" && !yield(key, value) {
					return
				}
			}
		}
	}
}

// Client returns the address of who asks, without a port: "192.0.2.1".
func (r *Request) Client() string {
	a, _ := r.Property("source", "address")
	return withoutPort(string(a))
}

func withoutPort(s string) string {
	if s != "" && s[0] == '[' {
		address, _ := cut(s[1:], ']')
		return address
	}
	address, port := cut(s, ':')
	for i := range len(port) {
		if port[i] == ':' {
			return s // IPv6, and no port
		}
	}
	return address
}

// Property returns what the host knows by a path: Property("connection", "tls_version").
// The paths are those of Envoy's attributes. Texts are as they are, numbers eight bytes,
// the least significant first.
func (r *Request) Property(path ...string) ([]byte, bool) {
	if !r.s.active() {
		return nil, false
	}
	b, st := host.Property(join(path))
	return b, st == abi.OK
}

// SetProperty sets a property, which later phases, other plugins and logs can read.
func (r *Request) SetProperty(value []byte, path ...string) error {
	if !r.s.active() {
		return ErrGone
	}
	return failed("set property", host.SetProperty(join(path), value))
}

func join(path []string) string {
	if len(path) == 1 {
		return path[0]
	}
	n := len(path)
	for _, p := range path {
		n += len(p)
	}
	b := make([]byte, 0, n)
	for i, p := range path {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) // nobody else has b
}

// SetBody puts body, which is no longer than the plugin's limits.body, in the place of the
// request's.
func (r *Request) SetBody(body []byte) { r.s.in.set(body) }

// Transform has f make another body of the request's, while that goes on: what it
// writes to dst is sent in place of what it reads from src. It may wait, and is called
// once; an error cuts the request. It is to be set before next is called.
func (r *Request) Transform(f func(dst *Writer, src *Body) error) { r.s.in.reshape(f) }

// set has body take the place of what there is.
func (d *side) set(body []byte) {
	d.reshape(func(dst *Writer, src *Body) error {
		_, err := dst.Write(body)
		return err
	})
}

// reshape has f transform a body, if that has not gone on.
func (d *side) reshape(f func(dst *Writer, src *Body) error) {
	switch s := d.s; {
	case !s.active():
	case d.passed || d == &s.in && s.asked || d == &s.out && s.returned:
		LogError("transform body: too late: it has gone on")
	default:
		d.shape = f
	}
}

// Inform sends the client an interim response before the answer, such as 103, which has
// browsers load what a page will want: its fields are then of the name link.
func (r *Request) Inform(status int, fields ...Field) error {
	if !r.s.active() {
		return ErrGone
	}
	_, st := host.Foreign(ext.Inform, ext.Append(ext.AppendUint(nil, uint64(status)), pairsOf(fields)))
	return refusedNil("inform", st)
}

func cut(s string, at byte) (before, after string) {
	for i := range len(s) {
		if s[i] == at {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// unescape decodes what queries encode. What is no encoding stays.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && hex(s[i+1]) < 16 && hex(s[i+2]) < 16:
			b = append(b, hex(s[i+1])<<4|hex(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func hex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
