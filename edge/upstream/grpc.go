package upstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/edge/exchange"
)

// probeGRPC asks grpc.health.v1.Health/Check. Its two messages are too small for a
// protobuf library: a string and an enumeration, each field 1.
func (p *Pool) probeGRPC(ctx context.Context, e *endpoint) error {
	c := p.question(ctx, e, "POST", "/grpc.health.v1.Health/Check")
	c.Header.Append("content-type", "application/grpc")
	c.Header.Append("te", "trailers")
	c.Body = exchange.NewBytes(healthRequest(p.settings.Health.Service))
	var resp exchange.Response
	if err := e.client.Do(c, &resp); err != nil {
		return err
	}
	body, err := swallow(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.Status != 200 {
		return fmt.Errorf("answers %d, not 200", resp.Status)
	}
	code, ok := resp.Trailer.Lookup("grpc-status")
	if !ok {
		code = resp.Header.Get("grpc-status") // an answer without a message
	}
	if code != "0" {
		return fmt.Errorf("answers grpc-status %q", code)
	}
	return serving(body)
}

// healthRequest is HealthCheckRequest{service}, framed.
func healthRequest(service string) []byte {
	var m []byte
	if service != "" {
		m = append(m, 1<<3|2) // field 1, of known length
		m = binary.AppendUvarint(m, uint64(len(service)))
		m = append(m, service...)
	}
	b := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))) // not compressed
	return append(b, m...)
}

var errProtobuf = errors.New("the answer is no HealthCheckResponse")

// serving reads a framed HealthCheckResponse{status}, in which fields that are not
// known may stand too. nil is SERVING.
func serving(b []byte) error {
	if len(b) < 5 || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-5) {
		return errProtobuf
	}
	b = b[5:]
	status := uint64(0)
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errProtobuf
		}
		b = b[n:]
		var value uint64
		skip := 0
		switch tag & 7 {
		case 0:
			value, skip = binary.Uvarint(b)
		case 1:
			skip = 8
		case 2:
			length, n := binary.Uvarint(b)
			if n > 0 && length <= uint64(len(b)-n) {
				skip = n + int(length)
			}
		case 5:
			skip = 4
		}
		if skip <= 0 || skip > len(b) {
			return errProtobuf
		}
		if tag == 1<<3 {
			status = value
		}
		b = b[skip:]
	}
	if status != 1 {
		names := [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
		if status < uint64(len(names)) {
			return fmt.Errorf("answers %s", names[status])
		}
		return fmt.Errorf("answers status %d", status)
	}
	return nil
}
