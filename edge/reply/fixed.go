// Package reply answers requests by itself: with something fixed, or by sending
// the client elsewhere.
package reply

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/edge/exchange"
)

// Fixed is a handler that always gives the same answer. It is safe for concurrent
// use and allocates nothing.
type Fixed struct {
	status int
	body   []byte
	header exchange.Header
}

var _ exchange.Handler = (*Fixed)(nil)

// NewFixed returns a handler that answers with status, 200 to 599, the body, its
// media type unless that is "", and more header fields. The body must not change
// afterwards; status 204 and 304 have none (RFC 9110 §6.4.1).
func NewFixed(status int, body []byte, mediaType string, fields ...exchange.Field) (*Fixed, error) {
	if status < 200 || status > 599 {
		return nil, fmt.Errorf("make reply: status %d is not from 200 to 599", status)
	}
	if len(body) > 0 && (status == 204 || status == 304) {
		return nil, fmt.Errorf("make reply: status %d has no body", status)
	}
	f := &Fixed{status: status, body: body}
	if mediaType != "" {
		fields = append([]exchange.Field{{Name: "content-type", Value: mediaType}}, fields...)
	}
	for _, field := range fields {
		if err := f.header.Add(field.Name, field.Value); err != nil {
			return nil, fmt.Errorf("make reply: %w", err)
		}
	}
	for name := range f.header.All() {
		if slices.Contains(framing, name) {
			return nil, fmt.Errorf("make reply: %s is the protocol's business", name)
		}
	}
	return f, nil
}

// framing lists the fields that say how a message is cut out of its connection.
var framing = []string{"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

// Handle implements exchange.Handler.
func (f *Fixed) Handle(r *exchange.Request) (*exchange.Response, error) {
	resp := r.NewResponse(f.status)
	resp.Header.CopyFrom(&f.header)
	if len(f.body) > 0 {
		resp.SetBytes(f.body)
	}
	return resp, nil
}
