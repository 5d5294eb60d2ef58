package proxywasm

import (
	"errors"
	"io"
	"sync"

	"github.com/weirproxy/weir/edge/exchange"
)

// feed is the body of a gRPC stream: what the guest sends waits in it for the upstream
// to read.
type feed struct {
	mu     sync.Mutex
	filled sync.Cond // signalled when Read has something to return
	rest   []byte
	ended  bool  // the guest sends no more
	cause  error // that ends, or pauses, reading
}

var (
	_ exchange.Body        = (*feed)(nil)
	_ exchange.Interrupter = (*feed)(nil)
)

func newFeed() *feed {
	f := &feed{}
	f.filled.L = &f.mu
	return f
}

// send appends a message, unless more than most bytes would wait: the upstream does not
// read.
func (f *feed) send(message []byte, most int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended || int64(len(f.rest)+len(message)+frameHead) > most {
		return false
	}
	f.rest = appendFrame(f.rest, message)
	f.filled.Signal()
	return true
}

// end says that there is no more.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.filled.Signal()
}

// Interrupt implements exchange.Interrupter.
func (f *feed) Interrupt(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil || errors.Is(f.cause, exchange.ErrPause) {
		f.cause = cause
	}
	f.filled.Signal()
}

// Read implements exchange.Body.
func (f *feed) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.rest) == 0 && !f.ended && f.cause == nil {
		f.filled.Wait()
	}
	if err := f.cause; err != nil {
		if errors.Is(err, exchange.ErrPause) {
			f.cause = nil
		}
		return 0, err
	}
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Buffered says how much Read returns without waiting. See exchange.Body.
func (f *feed) Buffered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rest)
}

// Len implements exchange.Body: nobody knows.
func (f *feed) Len() int64 { return -1 }

// Close implements exchange.Body.
func (f *feed) Close() error {
	f.Interrupt(io.ErrClosedPipe)
	return nil
}
