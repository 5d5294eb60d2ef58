package proxy

import "github.com/weirproxy/weir/edge/exchange"

// Bodies that stand before others pass on that nobody waits for the rest.

// Interrupt implements exchange.Interrupter.
func (b *copied) Interrupt(cause error) { interrupt(b.Body, cause) }

// Interrupt implements exchange.Interrupter.
func (b *resumed) Interrupt(cause error) { interrupt(b.rest, cause) }

func interrupt(b exchange.Body, cause error) {
	if waiting, ok := b.(exchange.Interrupter); ok {
		waiting.Interrupt(cause)
	}
}
