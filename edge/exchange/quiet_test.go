package exchange_test

import (
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

func TestQuiet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		media       string
		grpc, quiet bool
	}{
		{"", false, false},
		{"text/event", false, false},
		{"text/html", false, false},
		{"application/json; a=text/event-stream", false, false},
		{"text/event-stream", false, true},
		{"Text/Event-Stream; charset=utf-8", false, true},
		{"application/grpc", true, true},
		{"application/grpc+proto", true, true},
		{"Application/gRPC-web", true, true},
	} {
		var h exchange.Header
		h.Append("content-type", tt.media)
		if grpc, quiet := exchange.GRPC(&h), exchange.Quiet(&h); grpc != tt.grpc || quiet != tt.quiet {
			t.Errorf("%q: got %v, %v, want %v, %v", tt.media, grpc, quiet, tt.grpc, tt.quiet)
		}
	}
}
