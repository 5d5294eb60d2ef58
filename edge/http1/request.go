package http1

import (
	"bytes"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

var headEnd = []byte("\r\n\r\n")

// complete tells whether b holds a whole head; the first seen bytes of it were
// looked at before. Most heads arrive alone and in one piece, so that the first
// test settles it.
func complete(b []byte, seen int) bool {
	return bytes.HasSuffix(b, headEnd) || bytes.Contains(b[max(0, seen-3):], headEnd)
}

// refusePart looks at a head that is not complete yet and tells whether it can
// still become acceptable. Without it, a client that ends its lines in LF, or
// speaks TLS to a plain port, would have to wait for the timeout to be told.
func refusePart(b []byte, seen int, l *Limits) *refusal {
	for i := seen; i < len(b); i++ {
		if b[i] == '\n' && (i == 0 || b[i-1] != '\r') {
			return refBareLF
		}
	}
	if lower[b[0]] == 0 && b[0] != '\r' {
		return refLine
	}
	line := bytes.IndexByte(b[:min(len(b), l.Line+2)], '\n')
	switch {
	case line < 0 && len(b) > l.Line+1:
		return refLineLong
	case line >= 0 && len(b)-line-1 > l.Header:
		return refHeaderBig
	}
	return nil
}

// requestLine is where the parts of a request line stand.
type requestLine struct {
	method, target, targetEnd, end int
	minor                          byte
}

// parseRequest reads the complete request head at the start of b into r, whose
// Scheme is set, and returns its length. Method and Target are set as soon as the
// request line was good, also when the rest is refused; the header only when all
// of it was good. On a refusal that keeps the connection, framing is valid.
//
// The head becomes one string that all others are cut from: the only allocation.
func (h *head) parseRequest(b []byte, l *Limits, r *exchange.Request) (end int, bad *refusal) {
	line, bad := parseRequestLine(b, l)
	if bad != nil {
		return 0, bad
	}
	end, bad = h.parseFields(b, line.end, l.Fields)
	if bad == nil && end-line.end > l.Header {
		bad = refHeaderBig
	}
	if bad != nil {
		end = line.end
	}
	text := string(b[:end])
	r.Method, r.Proto = text[:line.method], exchange.HTTP10+exchange.Proto(line.minor-'0')
	r.Target = text[line.target:line.targetEnd]
	if bad != nil {
		return 0, bad
	}
	if bad = h.framing.forRequest(line.minor); bad != nil {
		return 0, bad
	}
	h.cut(text, &r.Header)
	if bad = h.resolve(r); bad != nil {
		return end, bad
	}
	if r.Proto == exchange.HTTP11 && h.expectsNo {
		return end, refExpect
	}
	r.Upgrade = upgradeOf(r, &h.framing)
	return end, nil
}

func parseRequestLine(b []byte, l *Limits) (line requestLine, bad *refusal) {
	i := 0
	for lower[b[i]] != 0 {
		i++
	}
	if b[i] != ' ' || i == 0 {
		return line, refuseLine(b, i, refMethod)
	}
	line.method, line.target = i, i+1
	for i++; targetByte[b[i]]; i++ {
	}
	line.targetEnd = i
	if i > l.Line {
		return line, refLineLong
	}
	if b[i] != ' ' || i == line.target {
		return line, refuseLine(b, i, refTarget)
	}
	line.minor, bad = parseVersion(b[i+1:])
	if bad != nil {
		return line, bad
	}
	i += 1 + len("HTTP/1.1")
	if b[i] != '\r' || b[i+1] != '\n' {
		return line, refuseLine(b, i, refVersion)
	}
	if i > l.Line {
		return line, refLineLong
	}
	line.end = i + 2
	return line, nil
}

// targetByte tells what may stand in a request target: visible ASCII but "#".
var targetByte = func() (t [256]bool) {
	for c := 0x21; c < 0x7f; c++ {
		t[c] = c != '#'
	}
	return t
}()

// refuseLine finds the right word for the byte at which a request line went wrong.
func refuseLine(b []byte, i int, otherwise *refusal) *refusal {
	switch {
	case b[i] == '\n':
		return refBareLF
	case b[i] == '\r' && i == 0:
		return refEmptyLine
	case b[i] == '\r' && b[i+1] != '\n':
		return refBareCR
	case b[i] == '\r' || b[i] == ' ':
		return refLine
	case b[i] == '#':
		return refFragment
	}
	return otherwise
}

// parseVersion reads HTTP-version (RFC 9112 §2.3) and returns the minor digit.
func parseVersion(b []byte) (minor byte, bad *refusal) {
	if len(b) < 8 || string(b[:5]) != "HTTP/" || b[6] != '.' || !digit(b[5]) || !digit(b[7]) {
		return 0, refVersion
	}
	if b[5] != '1' || b[7] > '1' {
		return 0, refVersionNo
	}
	return b[7], nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// resolve finds out whom and what r asks for (RFC 9112 §3.2, §3.3).
func (h *head) resolve(r *exchange.Request) *refusal {
	var port string
	if h.hosts > 1 {
		return refManyHosts
	}
	if h.hosts == 1 {
		var err error
		if r.Authority, r.Host, port, err = exchange.ParseAuthority(r.Header.Get("host")); err != nil {
			return refHost
		}
	} else if r.Proto == exchange.HTTP11 {
		return refNoHost
	}
	switch target := r.Target; {
	case r.Method == "CONNECT":
		return refuseConnect(target)
	case target[0] == '/':
	case target == "*":
		if r.Method != "OPTIONS" {
			return refAsterisk
		}
	default:
		if bad := resolveAbsolute(r, port); bad != nil {
			return bad
		}
	}
	if err := r.SetTarget(r.Target); err != nil {
		return refuseTarget(err)
	}
	return nil
}

// resolveAbsolute takes a target in absolute form apart. RFC 9112 §3.2.2 lets the
// target override Host, so its spelling counts; where they name different hosts, two
// hops would differ too: refused.
func resolveAbsolute(r *exchange.Request, hostPort string) *refusal {
	scheme, rest, ok := strings.Cut(r.Target, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return refTargetForm
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, host, port, err := exchange.ParseAuthority(rest[:end])
	if err != nil {
		return refHost
	}
	if r.Authority != "" && !sameAuthority(r.Host, hostPort, host, port, scheme) {
		return refHostMismatch
	}
	r.Authority, r.Host = authority, host
	switch rest = rest[end:]; {
	case rest == "" && r.Method == "OPTIONS":
		r.Target = "*" // RFC 9112 §3.2.4
	case rest == "" || rest[0] == '?':
		r.Target = "/" + rest
	default:
		r.Target = rest
	}
	if scheme != r.Scheme {
		return refScheme // RFC 9110 §7.4
	}
	return nil
}

// sameAuthority compares two parsed authorities, of which either may name the
// default port of the scheme.
func sameAuthority(hostA, portA, hostB, portB, scheme string) bool {
	standard := "80"
	if scheme == "https" {
		standard = "443"
	}
	if portA == "" {
		portA = standard
	}
	if portB == "" {
		portB = standard
	}
	return hostA == hostB && portA == portB
}

// refuseConnect tells malformed CONNECT requests from others; none is served
// (security P3).
func refuseConnect(target string) *refusal {
	if _, _, port, err := exchange.ParseAuthority(target); err != nil || port == "" {
		return refConnectForm
	}
	return refConnect
}

// refuseTarget wraps what SetTarget says. Whatever the path is, framing is sound.
func refuseTarget(err error) *refusal {
	r := &refusal{keep: true}
	if e, ok := err.(*exchange.Error); ok {
		r.err = *e
	} else {
		r.err = exchange.Error{Fault: exchange.Client, Status: 400, Err: err}
	}
	return r
}
