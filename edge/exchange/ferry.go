package exchange

import (
	"io"
	"sync"
)

const (
	// ferryIdle is what copying holds while it waits. Nearly all of the messages that
	// people wait for are shorter.
	ferryIdle = 512
	ferryLoad = 64 << 10
	// ferryMore is from what on a read lets expect another: what is left of a full
	// record of TLS when a short read has taken its beginning.
	ferryMore = 16<<10 - ferryIdle
)

var loads = sync.Pool{New: func() any { return new([ferryLoad]byte) }}

// Ferry copies from src to dst until src ends, as io.Copy does, for connections that
// wait for most of their life: while nothing comes it holds half a kilobyte. Where
// bulk is not nil, it is called when src gives more at once than any buffer holds; it
// may carry what follows in a cheaper way, and returns io.EOF when that was all.
func Ferry(dst io.Writer, src io.Reader, bulk func() (int64, error)) (n int64, err error) {
	var idle [ferryIdle]byte
	var load *[ferryLoad]byte
	defer func() {
		if load != nil {
			loads.Put(load)
		}
	}()
	for buf := idle[:]; ; {
		got, failed := src.Read(buf)
		if got > 0 {
			put, err := dst.Write(buf[:got])
			if n += int64(put); err != nil {
				return n, err
			}
		}
		if failed == nil && got == ferryLoad && bulk != nil {
			var moved int64
			moved, failed = bulk()
			n, got = n+moved, 0
		}
		switch {
		case failed == io.EOF:
			return n, nil
		case failed != nil:
			return n, failed
		case load == nil && got == len(buf):
			load = loads.Get().(*[ferryLoad]byte)
			buf = load[:]
		case load != nil && got < ferryMore:
			loads.Put(load)
			load, buf = nil, idle[:]
		}
	}
}
