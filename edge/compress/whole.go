package compress

import (
	"errors"
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// wholeLimit is the length up to which a body of known length is compressed at
// once. Waiting for its end costs a buffer; compressing it as it comes would cost
// an encoder, which is bigger, for as long.
const wholeLimit = 256 << 10

var errLonger = errors.New("body longer than announced")

// encodeWhole replaces the body of resp by its compressed form, and tells whether
// it did: what does not shrink stays plain. On an error the body is still open.
func (f *Filter) encodeWhole(resp *exchange.Response, e encoding) (bool, error) {
	memory, inMemory := resp.Body.(*exchange.Bytes)
	var plain []byte
	if inMemory {
		plain = memory.Rest()
	} else {
		buffer := f.buffers.get(int(resp.Body.Len()) + 1) // a byte more, to notice more
		defer f.buffers.put(buffer)
		var err error
		if plain, err = readWhole(resp.Body, *buffer); err != nil {
			return false, err
		}
	}
	out := f.compressed(plain, e, keepable(&resp.Header))
	smaller := out != nil && len(out) < len(plain)
	if !smaller {
		if inMemory {
			return false, nil
		}
		out = append([]byte(nil), plain...) // what was read cannot be read again
	}
	resp.Body.Close() // before SetBytes, which may write to this very body
	resp.SetBytes(out)
	return smaller, nil
}

// readWhole reads all of body, whose length is known, into buffer. It reads up to
// io.EOF, so that trailers are complete and a connection behind is free again.
func readWhole(body exchange.Body, buffer []byte) ([]byte, error) {
	want, n := int(body.Len()), 0
	for idle := 0; idle < 100; idle++ {
		got, err := body.Read(buffer[n : want+1])
		if n += got; n > want {
			return nil, errLonger
		}
		switch {
		case err == io.EOF && n == want:
			return buffer[:n], nil
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case got > 0:
			idle = 0
		}
	}
	return nil, io.ErrNoProgress
}

// compressed returns plain, encoded with e, in memory of its own. What it returns
// must not be changed, as others may be sending it too.
func (f *Filter) compressed(plain []byte, e encoding, keep bool) []byte {
	if f.kept == nil || !keep {
		return f.coders.encode(plain, e, f.once)
	}
	id := f.kept.identify(plain, e)
	out, seen := f.kept.find(id, plain)
	if out != nil {
		return out
	}
	if !seen {
		return f.coders.encode(plain, e, f.once)
	}
	out = f.coders.encode(plain, e, f.again)
	f.kept.store(id, plain, out)
	return out
}

// keepable tells whether the origin lets a body be stored by someone it was not
// made for. Nobody could get at it through us, but it need not lie about in memory.
func keepable(h *exchange.Header) bool {
	return !hasToken(h, "cache-control", "private") && !hasToken(h, "cache-control", "no-store")
}
