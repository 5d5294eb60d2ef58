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

// work is what an encoder is wanted for.
type work struct {
	thorough bool // more work for fewer bytes
	live     bool // it must be able to flush
}

// encoder is what the three libraries have in common.
type encoder interface {
	io.WriteCloser
	Reset(io.Writer)
}

type flusher interface{ Flush() error }

// newEncoder returns an encoder. Levels were chosen by measuring 100 KB of words;
// µs on one core, and bytes out:
//
//	        quick         thorough
//	zstd    334  22,080    495  19,048
//	br      859  19,437   1095  17,827
//	br live 1060 21,409   2470  18,635
//	gzip    277  23,451    494  18,838
//
// Of the two brotli encoders the newer is twice as good, but cannot flush.
func newEncoder(e encoding, w work) encoder {
	pick := func(quick, thorough int) int {
		if w.thorough {
			return thorough
		}
		return quick
	}
	switch {
	case e == zstandard:
		// One goroutine, and a window that bounds what a stream costs us and
		// its reader. The options are constants, so there is no error.
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(512<<10),
			zstd.WithEncoderLevel(zstd.EncoderLevel(pick(int(zstd.SpeedFastest), int(zstd.SpeedBetterCompression)))))
		return z
	case e == brotli && w.live:
		return brotlilib.NewWriterOptions(nil, brotlilib.WriterOptions{Quality: pick(2, 5), LGWin: 18})
	case e == brotli:
		return brotlilib.NewWriterV2(nil, pick(3, 4))
	}
	g, _ := gziplib.NewWriterLevel(nil, pick(1, 6))
	return g
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
	pools   [encodings][2][2]sync.Pool // thorough or not, live or not
	active  atomic.Int64
	streams atomic.Int64 // those of active that last as long as someone reads
}

func (c *coders) get(e encoding, w work) *engine {
	c.active.Add(1)
	pool := &c.pools[e][index(w.thorough)][index(w.live)]
	g, ok := pool.Get().(*engine)
	if !ok {
		g = &engine{encoder: newEncoder(e, w), of: pool}
	}
	g.out = g.out[:0]
	g.Reset(sink{g})
	return g
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *coders) put(g *engine) {
	c.active.Add(-1)
	g.of.Put(g)
}

// encode returns plain, encoded with e, in memory of its own. An encoder that
// fails, which those do not when writing to memory, would leave nil.
func (c *coders) encode(plain []byte, e encoding, thorough bool) []byte {
	g := c.get(e, work{thorough: thorough})
	defer c.put(g)
	if _, err := g.Write(plain); err != nil {
		return nil
	}
	if err := g.Close(); err != nil {
		return nil
	}
	return append(make([]byte, 0, len(g.out)), g.out...)
}

// buffers lends memory for bodies of up to wholeLimit bytes, in three sizes: many
// small bodies of slow upstreams must not hold big buffers.
type buffers struct{ pools [3]sync.Pool }

func (b *buffers) get(n int) *[]byte {
	size, pool := wholeLimit+1, &b.pools[2]
	switch {
	case n <= 8<<10:
		size, pool = 8<<10, &b.pools[0]
	case n <= 64<<10:
		size, pool = 64<<10, &b.pools[1]
	}
	if p, ok := pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, size)
	return &p
}

func (b *buffers) put(p *[]byte) {
	switch len(*p) {
	case 8 << 10:
		b.pools[0].Put(p)
	case 64 << 10:
		b.pools[1].Put(p)
	default:
		b.pools[2].Put(p)
	}
}
