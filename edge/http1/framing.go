package http1

import "math"

// framing is what the fields of a head say about where the message ends and
// about the connection. note fills it while fields are parsed, for requests and
// responses alike.
type framing struct {
	length    int64 // Content-Length, or -1
	coded     bool  // there is a Transfer-Encoding
	chunked   bool  // and it is exactly "chunked"
	hosts     int
	closes    bool // Connection: close
	keepAlive bool // Connection: keep-alive
	expects   bool // Expect: 100-continue
	expectsNo bool // Expect with anything else
}

var noFraming = framing{length: -1}

// note takes notice of one field. Duplicates are refused even where they agree:
// no client sends them, and peers differ in which one they take.
func (f *framing) note(name, value []byte) *refusal {
	switch len(name) {
	case 4:
		if string(name) == "host" {
			f.hosts++
		}
	case 6:
		if string(name) == "expect" {
			if equalFold(value, "100-continue") {
				f.expects = true
			} else {
				f.expectsNo = true
			}
		}
	case 10:
		if string(name) == "connection" {
			eachToken(value, func(option []byte) {
				f.closes = f.closes || equalFold(option, "close")
				f.keepAlive = f.keepAlive || equalFold(option, "keep-alive")
			})
		}
	case 14:
		if string(name) == "content-length" {
			return f.noteLength(value)
		}
	case 17:
		if string(name) == "transfer-encoding" {
			return f.noteCoding(value)
		}
	}
	return nil
}

func (f *framing) noteLength(value []byte) *refusal {
	if f.length >= 0 {
		return refLengthTwice
	}
	if f.coded {
		return refLengthCoding
	}
	n, r := parseLength(value)
	f.length = n
	return r
}

// parseLength reads 1*DIGIT (RFC 9110 §8.6).
func parseLength(value []byte) (int64, *refusal) {
	if len(value) == 0 {
		return -1, refLength
	}
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return -1, refLength
		}
		if n > (math.MaxInt64-9)/10 {
			return -1, refLengthRange
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// noteCoding accepts "chunked" and nothing else (RFC 9112 §6.1).
func (f *framing) noteCoding(value []byte) *refusal {
	if f.length >= 0 {
		return refLengthCoding
	}
	if f.chunked {
		return refCodingOrder
	}
	f.coded = true
	if equalFold(value, "chunked") {
		f.chunked = true
		return nil
	}
	codings, chunked, last := 0, 0, false
	eachToken(value, func(coding []byte) {
		codings++
		if last = equalFold(coding, "chunked"); last {
			chunked++
		}
	})
	switch {
	case codings == 0:
		return refCodingForm
	case chunked > 1 || chunked == 1 && !last:
		return refCodingOrder
	case chunked == codings: // "chunked," or ",chunked"
		return refCodingForm
	}
	return refCoding
}

// forRequest checks the framing of a request as a whole (RFC 9112 §6.3).
func (f *framing) forRequest(minor byte) *refusal {
	if f.coded && minor == '0' {
		return refCodingOld
	}
	if f.length < 0 && !f.chunked {
		f.length = 0
	}
	return nil
}

// forResponse checks the framing of a response to a request with that method
// (RFC 9112 §6.3). Afterwards a length under 0 without chunked means: up to the
// end of the connection.
func (f *framing) forResponse(method string, status int, minor byte) *refusal {
	if f.coded && minor == '0' {
		return refCodingOld
	}
	if status < 200 || status == 204 {
		if f.coded {
			return refCodingStatus // RFC 9112 §6.1
		}
		f.length = 0
	}
	if method == "HEAD" || status == 304 {
		f.length, f.chunked = 0, false
	}
	return nil
}

// equalFold compares with a constant in lower case, by ASCII only (security P10).
func equalFold(b []byte, constant string) bool {
	if len(b) != len(constant) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != constant[i] {
			return false
		}
	}
	return true
}

// eachToken calls f with every element of a comma-separated list, without the
// space around it; empty elements are skipped (RFC 9110 §5.6.1.2).
func eachToken(list []byte, f func([]byte)) {
	for len(list) > 0 {
		i := 0
		for i < len(list) && list[i] != ',' {
			i++
		}
		element := trimSpace(list[:i])
		if len(element) > 0 {
			f(element)
		}
		list = list[min(i+1, len(list)):]
	}
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
