package weirhttp

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/weirproxy/weir/sdk/weir"
)

// body is a request's content.
type body struct {
	r       *weir.Request
	trailer http.Header // of the http.Request
	d       *weir.Detached

	mu     sync.Mutex
	rest   []byte
	err    error
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case len(p) == 0:
		return 0, nil
	case len(b.rest) == 0 && b.err == nil:
		b.d.Do(func() {
			if b.rest, b.err = b.r.Body.Chunk(); b.err == io.EOF {
				b.end()
			}
		})
		if errors.Is(b.err, weir.ErrGone) {
			b.err = io.ErrUnexpectedEOF
		}
	}
	if len(b.rest) == 0 {
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// end takes the trailers, which are there now.
func (b *body) end() {
	for name, value := range b.r.Trailer.All() {
		key := http.CanonicalHeaderKey(name)
		b.trailer[key] = append(b.trailer[key], value)
	}
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}
