package proxy

import (
	"errors"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// waitingBody remembers why it was interrupted.
type waitingBody struct {
	exchange.Body
	cause error
}

func (b *waitingBody) Interrupt(cause error) { b.cause = cause }

func TestBodies_PassOnInterrupts(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for name, wrap := range map[string]func(exchange.Body) exchange.Body{
		"copied":  func(b exchange.Body) exchange.Body { return &copied{Body: b} },
		"resumed": func(b exchange.Body) exchange.Body { return &resumed{rest: b} },
	} {
		inner := &waitingBody{Body: exchange.NoBody}
		wrap(inner).(exchange.Interrupter).Interrupt(enough)
		if inner.cause != enough {
			t.Errorf("%s: body behind was told %v, want %v", name, inner.cause, enough)
		}
		wrap(exchange.NoBody).(exchange.Interrupter).Interrupt(enough) // who cannot be, is not
	}
}
