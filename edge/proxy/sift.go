package proxy

import (
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// sifted returns the body of r, where trailers may follow it: they are held to the
// rules of the header, since there are servers that put the two together.
func (p *Proxy) sifted(r *exchange.Request) exchange.Body {
	if n := r.Body.Len(); n == 0 || n > 0 && r.Proto < exchange.HTTP2 {
		return r.Body
	}
	if _, ok := r.Body.(*exchange.Bytes); ok {
		return r.Body
	}
	return &sifted{r.Body, p.names, r}
}

// sifted is a body whose trailers are looked through when it has been read.
type sifted struct {
	exchange.Body
	names *names
	r     *exchange.Request
}

// Read implements exchange.Body.
func (b *sifted) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if err == io.EOF && b.r.Trailer.Len() > 0 {
		b.r.Trailer.DelFunc(func(name, _ string) bool {
			fate := b.names.fate(name)
			return fate != passes && (fate != believed || !b.r.Trusted)
		})
	}
	return n, err
}

// Buffered tells how much Read returns without waiting, as far as the body knows.
func (b *sifted) Buffered() int {
	if inner, ok := b.Body.(interface{ Buffered() int }); ok {
		return inner.Buffered()
	}
	return 0
}

// Interrupt implements exchange.Interrupter.
func (b *sifted) Interrupt(cause error) { interrupt(b.Body, cause) }
