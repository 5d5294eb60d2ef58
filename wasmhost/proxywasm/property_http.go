package proxywasm

import (
	"bytes"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// requestProperty appends what is known under request.
func (s *stream) requestProperty(path []byte, v value) (value, bool) {
	r := s.r
	leaf, name, of := bytes.Cut(path, []byte{0})
	switch string(leaf) {
	case "headers":
		if of {
			return s.requestField(lowered(name), v)
		}
		return fieldsProperty(&r.Header, v, ":method", r.Method, ":path", r.Target, ":authority", r.Authority, ":scheme", r.Scheme)
	case "path":
		return v.text(r.Target)
	case "url_path":
		path := r.Target
		if n := len(path) - len(r.Query) - 1; n >= 0 && path[n] == '?' {
			path = path[:n]
		}
		return v.text(path)
	case "query":
		return v.text(r.Query)
	case "host":
		return v.text(r.Authority)
	case "scheme":
		return v.text(r.Scheme)
	case "method":
		return v.text(r.Method)
	case "referer":
		return fieldProperty(&r.Header, "referer", v)
	case "useragent":
		return fieldProperty(&r.Header, "user-agent", v)
	case "id":
		return v.text(r.Record.ID())
	case "protocol":
		return v.text(protocol(r.Proto))
	case "time":
		return v.number(r.Record.Start.UnixNano())
	case "duration":
		if s.finished {
			return v.duration(r.Record.Took)
		}
	case "size":
		return v.number(s.requestSize())
	case "headers_bytes":
		return v.number(headBytes(&r.Header))
	case "total_size":
		return v.number(s.requestSize() + headBytes(&r.Header))
	}
	return v, false
}

// requestField appends the values of one field, or one of those that HTTP/2 puts in the
// place of the request line.
func (s *stream) requestField(name string, v value) (value, bool) {
	switch name {
	case ":method":
		return v.text(s.r.Method)
	case ":path":
		return v.text(s.r.Target)
	case ":authority", "host":
		return v.text(s.r.Authority)
	case ":scheme":
		return v.text(s.r.Scheme)
	}
	return fieldProperty(&s.r.Header, name, v)
}

// protocol is the name that Envoy has for it.
func protocol(p exchange.Proto) string {
	switch p {
	case exchange.HTTP2:
		return "HTTP/2"
	case exchange.HTTP3:
		return "HTTP/3"
	}
	return p.String()
}

// requestSize is what the client announced, or what has come so far.
func (s *stream) requestSize() int64 {
	if s.in.length >= 0 {
		return s.in.length
	}
	return s.r.Record.Received
}

// responseProperty appends what is known under response, once there is one.
func (s *stream) responseProperty(path []byte, v value) (value, bool) {
	leaf, name, of := bytes.Cut(path, []byte{0})
	if string(leaf) == "code_details" {
		return v.given(s.details)
	}
	record := &s.r.Record
	if s.finished && record.Status != 0 && string(leaf) == "code" {
		return v.number(int64(record.Status)) // also where no response was to be had
	}
	if !s.hasResponse() {
		return v, false
	}
	resp := s.resp
	switch string(leaf) {
	case "code":
		return v.number(int64(resp.Status))
	case "headers", "trailers":
		h := &resp.Header
		if leaf[0] == 't' {
			if h = s.trailer(&s.out); h == nil {
				return v, false
			}
		}
		switch {
		case !of && leaf[0] == 'h':
			return fieldsProperty(h, v, ":status", strconv.Itoa(resp.Status))
		case !of:
			return fieldsProperty(h, v)
		case leaf[0] == 'h' && string(name) == ":status":
			return v.text(strconv.Itoa(resp.Status))
		}
		return fieldProperty(h, lowered(name), v)
	case "size":
		return v.number(record.Sent)
	case "headers_bytes":
		return v.number(headBytes(&resp.Header))
	case "total_size":
		return v.number(record.Sent + headBytes(&resp.Header))
	case "grpc_status":
		return grpcProperty(&resp.Header, s.trailer(&s.out), v)
	case "backend_latency":
		if record.Waited > 0 {
			return v.duration(record.Waited)
		}
	}
	return v, false
}

// grpcProperty appends the status that a trailer tells, or an answer of trailers only.
func grpcProperty(h, trailer *exchange.Header, v value) (value, bool) {
	text, ok := h.Lookup("grpc-status")
	if !ok && trailer != nil {
		text, ok = trailer.Lookup("grpc-status")
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if !ok || err != nil {
		return v, false
	}
	return v.number(int64(n))
}

// fieldProperty appends all values of a field, with commas between them.
func fieldProperty(h *exchange.Header, name string, v value) (value, bool) {
	found := false
	for i := range h.Len() {
		f := h.At(i)
		if f.Name != name {
			continue
		}
		if found {
			v = append(v, ',')
		}
		v, found = append(v, f.Value...), true
	}
	return v, found
}

// fieldsProperty appends a header as pairs, with pseudo fields first.
func fieldsProperty(h *exchange.Header, v value, pseudo ...string) (value, bool) {
	list := make([]abi.Pair, 0, len(pseudo)/2+h.Len())
	for i := 0; i < len(pseudo); i += 2 {
		list = append(list, abi.Pair{Key: pseudo[i], Value: pseudo[i+1]})
	}
	for i := range h.Len() {
		f := h.At(i)
		list = append(list, abi.Pair{Key: f.Name, Value: f.Value})
	}
	return abi.AppendPairs(v, list), true
}

// headBytes is how much the fields of a header are, without what a protocol puts
// between them.
func headBytes(h *exchange.Header) (n int64) {
	for i := range h.Len() {
		f := h.At(i)
		n += int64(len(f.Name) + len(f.Value))
	}
	return n
}
