package nethttp

import (
	"errors"
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

var (
	errNoAuthority  = exchange.Reason(http.StatusBadRequest, "request names no authority")
	errTwoHosts     = exchange.Reason(http.StatusBadRequest, "host differs from :authority")
	errManyFields   = exchange.Reason(http.StatusRequestHeaderFieldsTooLarge, "too many header fields")
	errLargeHeader  = exchange.Reason(http.StatusRequestHeaderFieldsTooLarge, "header block too large")
	errConnField    = exchange.Reason(http.StatusBadRequest, "connection-specific header field")
	errLengthField  = exchange.Reason(http.StatusBadRequest, "content-length is not one number")
	errMethod       = exchange.Reason(http.StatusBadRequest, "method is not a token")
	errTargetForm   = exchange.Reason(http.StatusBadRequest, "target holds a forbidden character or form")
	errExpect       = exchange.Reason(http.StatusExpectationFailed, "unknown expectation")
	errConnect      = &exchange.Error{Fault: exchange.Client, Status: http.StatusNotImplemented, Err: errors.New("CONNECT is not served")}
	errShort        = exchange.Reason(http.StatusBadRequest, "body shorter than content-length")
	errLong         = exchange.Reason(http.StatusBadRequest, "body longer than content-length")
	errSlowBody     = exchange.Reason(http.StatusRequestTimeout, "body came too slowly")
	errForbiddenEnd = exchange.Reason(http.StatusBadRequest, "trailer field is not allowed")
)

// read fills st.req from st.r, and holds it to the rules that HTTP/1.1 requests
// are held to (security P4).
func (st *stream) read() error {
	r, q := st.r, &st.req
	q.Proto, q.Method = st.server.proto, r.Method
	q.Scheme = "http"
	if q.Conn.TLS != nil {
		q.Scheme = "https"
	}
	if err := st.readHeader(); err != nil {
		return err
	}
	switch {
	case r.Host == "":
		return errNoAuthority
	case !exchange.ValidName(q.Method):
		return errMethod
	}
	if err := q.SetAuthority(r.Host); err != nil {
		return err
	}
	if h, ok := r.Header["Host"]; ok && (len(h) != 1 || !strings.EqualFold(h[0], r.Host)) {
		return errTwoHosts
	}
	if q.Method == http.MethodConnect {
		if err := st.readConnect(); err != nil {
			return err
		}
	}
	if !validTarget(q.Method, r.RequestURI) {
		return errTargetForm
	}
	if q.Upgrade == "" {
		st.readBody()
	}
	if err := st.admitEarly(); err != nil {
		return err
	}
	return q.SetTarget(r.RequestURI)
}

func validTarget(method, target string) bool {
	if target == "*" {
		return method == http.MethodOptions
	}
	if target == "" || target[0] != '/' {
		return false
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

func (st *stream) readHeader() error {
	size, o := 0, &st.server.Options
	for key, values := range st.r.Header {
		name := lowerName(key)
		switch name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			return errConnField
		case "te":
			if len(values) != 1 || values[0] != "trailers" {
				return errConnField
			}
		case "content-length":
			if len(values) != 1 || !digits(values[0]) {
				return errLengthField
			}
		case "expect": // the libraries remove 100-continue when they act on it
			if len(values) != 1 || !strings.EqualFold(values[0], "100-continue") {
				return errExpect
			}
			continue
		case "host":
			continue
		case protocolField:
			if st.server.proto == exchange.HTTP2 {
				continue
			}
		}
		for _, v := range values {
			if size += len(name) + len(v) + 32; size > o.HeaderBytes {
				return errLargeHeader
			}
			if st.req.Header.Len() >= o.Fields {
				return errManyFields
			}
			if err := st.req.Header.Add(name, v); err != nil {
				return &exchange.Error{Fault: exchange.Client, Status: http.StatusBadRequest, Err: err}
			}
		}
	}
	return nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 18
}

// lowerName saves the allocation of folding the names that every browser sends.
func lowerName(key string) string {
	switch key {
	case "Accept":
		return "accept"
	case "Accept-Encoding":
		return "accept-encoding"
	case "Accept-Language":
		return "accept-language"
	case "Cache-Control":
		return "cache-control"
	case "Content-Length":
		return "content-length"
	case "Content-Type":
		return "content-type"
	case "Cookie":
		return "cookie"
	case "Host":
		return "host"
	case "If-Modified-Since":
		return "if-modified-since"
	case "If-None-Match":
		return "if-none-match"
	case "Origin":
		return "origin"
	case "Priority":
		return "priority"
	case "Range":
		return "range"
	case "Referer":
		return "referer"
	case "Sec-Ch-Ua":
		return "sec-ch-ua"
	case "Sec-Ch-Ua-Mobile":
		return "sec-ch-ua-mobile"
	case "Sec-Ch-Ua-Platform":
		return "sec-ch-ua-platform"
	case "Sec-Fetch-Dest":
		return "sec-fetch-dest"
	case "Sec-Fetch-Mode":
		return "sec-fetch-mode"
	case "Sec-Fetch-Site":
		return "sec-fetch-site"
	case "Upgrade-Insecure-Requests":
		return "upgrade-insecure-requests"
	case "User-Agent":
		return "user-agent"
	}
	return strings.ToLower(key)
}
