package nethttp

import (
	"context"
	"errors"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/weirproxy/weir/edge/exchange"
)

// Whichever limit ends the wait for a connection, it is out of time, not broken.
func TestConnectFault_TellsSilenceFromRefusal(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&quic.IdleTimeoutError{}, &quic.HandshakeTimeoutError{}, context.DeadlineExceeded} {
		fault, ok := errors.AsType[*exchange.Error](upstreamFault(connectFault(err)))
		if !ok || fault.Status != 504 || !errors.Is(fault, context.DeadlineExceeded) {
			t.Errorf("%v: got %+v, want 504", err, fault)
		}
	}
	if fault, ok := errors.AsType[*exchange.Error](upstreamFault(connectFault(errors.New("refused")))); !ok || fault.Status != 502 {
		t.Errorf("refused: got %+v, want 502", fault)
	}
}
