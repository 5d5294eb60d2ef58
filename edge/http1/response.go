package http1

import "github.com/weirproxy/weir/edge/exchange"

// responseHead is a parsed response head.
type responseHead struct {
	status int
	minor  byte
	reason string
}

// parseResponse reads the complete response head at the start of b, the answer to
// a request with that method, appends its fields to header and returns its
// length. The framing of the message is in h afterwards.
func (h *head) parseResponse(b []byte, method string, l *Limits, header *exchange.Header) (line responseHead, end int, bad *refusal) {
	line, start, bad := parseStatusLine(b, l)
	if bad != nil {
		return line, 0, bad
	}
	end, bad = h.parseFields(b, start, l.Fields)
	if bad == nil && end-start > l.Header {
		bad = refHeaderBig
	}
	if bad == nil {
		bad = h.framing.forResponse(method, line.status, line.minor)
	}
	if bad != nil {
		return line, 0, bad
	}
	text := string(b[:end])
	if start > len("HTTP/1.1 200\r\n") {
		line.reason = text[len("HTTP/1.1 200 ") : start-2]
	}
	h.cut(text, header)
	return line, end, nil
}

// parseStatusLine reads a status line (RFC 9112 §4). The space behind the status
// may be missing where there is no reason phrase: many servers leave it out.
func parseStatusLine(b []byte, l *Limits) (line responseHead, end int, bad *refusal) {
	if line.minor, bad = parseVersion(b); bad != nil {
		return line, 0, bad
	}
	const code = len("HTTP/1.1 ")
	if len(b) < code+3 || b[code-1] != ' ' || b[code] < '1' || b[code] > '5' || !digit(b[code+1]) || !digit(b[code+2]) {
		return line, 0, refStatusLine
	}
	line.status = int(b[code]-'0')*100 + int(b[code+1]-'0')*10 + int(b[code+2]-'0')
	i := code + 3
	switch b[i] {
	case ' ':
		i = valueEnd(b, i)
	case '\r':
	default:
		return line, 0, refStatusLine
	}
	if b[i] != '\r' || b[i+1] != '\n' {
		return line, 0, refuseValue(b[i])
	}
	if i > l.Line {
		return line, 0, refStatusLine
	}
	return line, i + 2, nil
}
