package compress

import (
	"io"
	"sync"
	"sync/atomic"

	brotlilib "github.com/andybalholm/brotli"
	gziplib "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// encoding is a content coding (RFC 9110 §8.4.1).
type encoding uint8

const (
	identity encoding = iota
	zstandard
	brotli
	gzip
	encodings // how many there are
)

// String returns the registered name of e.
func (e encoding) String() string {
	return [...]string{"identity", "zstd", "br", "gzip"}[e]
}

// encodingOf returns the encoding called name, or identity.
func encodingOf(name string) encoding {
	switch name {
	case "zstd":
		return zstandard
	case "br":
		return brotli
	case "gzip":
		return gzip
	}
	return identity
}

// effort is how hard an encoder works.
type effort uint8

// Measured on 100 KB of words, of Go source and of HTML tables; figures are µs and
// bytes out for the words, one core:
//
//	        live          once          kept
//	zstd    334  22,080   334  22,080   495  19,048
//	br     1060  21,409   859  19,437  1095  17,827
//	gzip    277  23,451   277  23,451   494  18,838
//
// The newer brotli encoder is twice as good as the older, but cannot flush.
const (
	live    effort = iota // streams that must be flushed
	once                  // bodies sent once
	kept                  // bodies kept for the next request
	efforts               // how many there are
)

// encoder is what the three libraries have in common.
type encoder interface {
	io.WriteCloser
	Reset(io.Writer)
}

type flusher interface{ Flush() error }

func newEncoder(e encoding, how effort) encoder {
	switch e {
	case zstandard:
		level := zstd.SpeedFastest
		if how == kept {
			level = zstd.SpeedBetterCompression
		}
		// One goroutine, and a window that bounds what a stream costs us and
		// its reader. The options are constants, so there is no error.
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(512<<10))
		return w
	case brotli:
		switch how {
		case live:
			return brotlilib.NewWriterOptions(nil, brotlilib.WriterOptions{Quality: 2, LGWin: 18})
		case once:
			return brotlilib.NewWriterV2(nil, 3)
		}
		return brotlilib.NewWriterV2(nil, 4)
	}
	level := 1
	if how == kept {
		level = 6
	}
	w, _ := gziplib.NewWriterLevel(nil, level)
	return w
}

// engine is an encoder with what it has written and nobody has read yet.
type engine struct {
	encoder
	out []byte
	in  []byte // for reading the source, made on first use
	of  *sync.Pool
}

// sink lets the encoder write to the engine, without offering Write twice.
type sink struct{ e *engine }

func (s sink) Write(p []byte) (int, error) {
	s.e.out = append(s.e.out, p...)
	return len(p), nil
}

// coders lends engines. An encoder has up to a megabyte of tables: making one
// costs more than compressing a page.
type coders struct {
	pools  [encodings][efforts]sync.Pool
	active atomic.Int64
}

func (c *coders) get(e encoding, how effort) *engine {
	c.active.Add(1)
	pool := &c.pools[e][how]
	g, ok := pool.Get().(*engine)
	if !ok {
		g = &engine{encoder: newEncoder(e, how), of: pool}
	}
	g.out = g.out[:0]
	g.Reset(sink{g})
	return g
}

func (c *coders) put(g *engine) {
	c.active.Add(-1)
	g.of.Put(g)
}

// encode returns plain, encoded with e, in memory of its own. An encoder that
// fails, which those do not when writing to memory, would leave nil.
func (c *coders) encode(plain []byte, e encoding, how effort) []byte {
	g := c.get(e, how)
	defer c.put(g)
	if _, err := g.Write(plain); err != nil {
		return nil
	}
	if err := g.Close(); err != nil {
		return nil
	}
	return append(make([]byte, 0, len(g.out)), g.out...)
}

// buffers lends memory for bodies of up to wholeLimit, and a byte to find longer ones.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, wholeLimit+1)
	return &p
}

func (b *buffers) put(p *[]byte) { b.pool.Put(p) }
