// Package compress is a filter that compresses responses on the fly with zstd,
// brotli or gzip, whichever the client likes best.
//
// Bodies whose length is known and small are compressed at once, so that their
// length is known afterwards too; what comes by again and again is kept
// compressed. Everything else is compressed as it is read. Where the length is
// not known, whatever the source hands out is flushed to the client before more
// is waited for: event streams and long polls arrive as promptly as without.
//
// Compression tells an observer of the line how well a body compresses. A page
// that holds a secret and repeats what its caller chose (the BREACH attack) should
// mask the secret per response or send Cache-Control: no-transform, which the
// filter heeds. The filter never decompresses anything.
package compress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Level says how much work compressing may be.
type Level string

// The levels. Default compresses quickly what is sent once, and thoroughly what is
// kept for the next request.
const (
	Fast    Level = "fast"
	Default Level = "default"
	Best    Level = "best"
)

// Options say what is compressed and how. The zero value is a good choice.
type Options struct {
	// Encodings are the content codings to use, the preferred one first; of
	// equally wanted ones, the client gets the first. None means zstd, br, gzip.
	Encodings []string
	// Types are the media types worth compressing: "text/html", "text/*", or
	// "*+json" for a structured suffix. None means DefaultTypes.
	Types []string
	// MinLength is the length in bytes under which a body of known length stays
	// as it is. 0 means 512, less than 0 means no limit.
	MinLength int
	// CacheSize is how many bytes compressed bodies and their originals may take
	// while they are kept for the next request. 0 means 16 MiB, less than 0 none.
	CacheSize int
	// MaxStreams is how many bodies may be compressed as they are read at the same
	// time. Such a body holds an encoder, up to 1.7 MB, for as long as its reader
	// takes; what comes on top is sent as it is. 0 means 128, less than 0 none.
	MaxStreams int
	Level      Level // "" means Default
}

// Filter compresses responses. It is safe for concurrent use, and best shared by
// all routes with the same options: it holds encoders and kept bodies.
type Filter struct {
	offers  []string // names of encodings
	types   types
	min     int64
	coders  coders
	buffers buffers
	kept    *cache // nil: nothing is kept
	streams int64  // how many there may be
	// Whether to be thorough with what is sent once, and with what is kept.
	once, again bool
}

var _ exchange.Filter = (*Filter)(nil)

// New returns a filter. It refuses encodings it does not know, encodings named
// twice, levels it does not know, and what is not a media type.
func New(o Options) (*Filter, error) {
	f := &Filter{min: 512, streams: 128}
	if len(o.Encodings) == 0 {
		o.Encodings = []string{"zstd", "br", "gzip"}
	}
	for _, name := range o.Encodings {
		if encodingOf(name) == identity {
			return nil, fmt.Errorf("compress with %q: encoding not known, want zstd, br or gzip", name)
		}
		if slices.Contains(f.offers, name) {
			return nil, fmt.Errorf("compress with %q: encoding named twice", name)
		}
		f.offers = append(f.offers, name)
	}
	if len(o.Types) == 0 {
		o.Types = DefaultTypes()
	}
	for _, pattern := range o.Types {
		if err := f.types.add(pattern); err != nil {
			return nil, err
		}
	}
	if o.MinLength != 0 {
		f.min = int64(o.MinLength)
	}
	if o.MaxStreams != 0 {
		f.streams = int64(o.MaxStreams)
	}
	switch o.Level {
	case Fast:
	case Default, "":
		f.again = true
	case Best:
		f.once, f.again = true, true
	default:
		return nil, fmt.Errorf("compress at level %q: want fast, default or best", o.Level)
	}
	switch {
	case o.CacheSize == 0:
		f.kept = newCache(16 << 20)
	case o.CacheSize > 0:
		f.kept = newCache(o.CacheSize)
	}
	return f, nil
}

// Active returns how many bodies are being compressed at this moment.
func (f *Filter) Active() int64 { return f.coders.active.Load() }

// Handle implements [exchange.Filter].
func (f *Filter) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	strengthenIfMatch(r)
	resp, err := next.Handle(r)
	if err != nil {
		return nil, err
	}
	verdict := f.judge(r, resp)
	if verdict == untouched {
		return resp, nil
	}
	addVary(&resp.Header)
	if verdict == varies {
		return resp, nil
	}
	name := exchange.PreferEncoding(r.Header.Joined("accept-encoding"), f.offers...)
	if name == "" {
		return resp, nil
	}
	return f.encode(r, resp, encodingOf(name))
}

// verdict is what may be done with a response.
type verdict uint8

const (
	untouched verdict = iota // compression is no matter here
	varies                   // another client might get it compressed, but this answer must stay
	open                     // to be compressed, if the client takes it
)

func (f *Filter) judge(r *exchange.Request, resp *exchange.Response) verdict {
	h := &resp.Header
	if resp.Status == 304 {
		return judge304(r, h)
	}
	if resp.Status == 204 || resp.Status == 205 || r.Method == "CONNECT" ||
		!f.types.match(h.Get("content-type")) || h.Has("content-encoding") || hasToken(h, "cache-control", "no-transform") {
		return untouched
	}
	// The range counts bytes of the plain representation (RFC 9110 §14.4).
	if resp.Status == 206 || h.Has("content-range") {
		return varies
	}
	if n := plainLength(r, resp); n >= 0 && n < f.min {
		return untouched
	}
	return open
}

// plainLength returns the length of the content, or -1. A response to HEAD may tell
// it in a field alone, as one from an upstream does.
func plainLength(r *exchange.Request, resp *exchange.Response) int64 {
	if r.Method == "HEAD" {
		if n, err := strconv.ParseInt(resp.Header.Get("content-length"), 10, 64); err == nil {
			return n
		}
	}
	return resp.Body.Len()
}

func (f *Filter) encode(r *exchange.Request, resp *exchange.Response, e encoding) (*exchange.Response, error) {
	n := resp.Body.Len()
	switch {
	case r.Method == "HEAD":
		// The head that GET would get; its length is not known without doing the work.
		resp.Body = unknownLength{resp.Body}
	case n >= 0 && n <= wholeLimit:
		smaller, err := f.encodeWhole(resp, e)
		if err != nil {
			resp.Body.Close()
			return nil, fmt.Errorf("read body to compress it: %w", err)
		}
		if !smaller {
			return resp, nil
		}
	default:
		s := f.newStream(resp.Body, e)
		if s == nil {
			return resp, nil
		}
		resp.Body = s
	}
	markEncoded(&resp.Header, e)
	return resp, nil
}

// unknownLength hides how long the plain body is.
type unknownLength struct{ exchange.Body }

func (unknownLength) Len() int64 { return -1 }

// hasToken tells whether the list field name holds token, which is in lower case.
func hasToken(h *exchange.Header, name, token string) bool {
	for v := range h.Values(name) {
		for v != "" {
			var part string
			part, v, _ = strings.Cut(v, ",")
			if strings.EqualFold(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}
