// A filter that replaces words in what a site answers, as it streams by.
package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.RegisterConfigured(configured) }

func main() {}

// pair is what is replaced by what.
type pair struct{ from, to string }

func configured(c *weir.Config) (weir.Filter, error) {
	var pairs []pair
	words := c.Object("replace")
	for _, from := range words.Keys() {
		pairs = append(pairs, pair{from, words.String(from, "")})
	}
	types := c.Strings("types")
	if types == nil {
		types = []string{"text/html", "text/plain"}
	}
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.Header.Del("accept-encoding") // what is compressed could not be read
		resp, err := next(r)
		if err != nil || !oneOf(types, resp.Header.Get("content-type")) {
			return resp, err
		}
		resp.Header.Del("etag") // of what it was
		resp.Transform(func(dst *weir.Writer, src *weir.Body) error { return replace(dst, src, pairs) })
		return resp, nil
	}, nil
}

// replace copies src to dst with the words replaced. Pieces end anywhere, in the midst of
// words, too: what may be the beginning of one waits for the next piece.
func replace(dst *weir.Writer, src *weir.Body, pairs []pair) error {
	longest := 1
	for _, p := range pairs {
		longest = max(longest, len(p.from))
	}
	var held []byte
	for {
		piece, err := src.Chunk()
		if err != nil && err != io.EOF {
			return err
		}
		held = append(held, piece...)
		done := replaceIn(dst, held, pairs, err == io.EOF, longest)
		held = append(held[:0], held[done:]...)
		if err == io.EOF {
			return nil
		}
	}
}

// replaceIn writes what is certain of b, and returns how much of it that was.
func replaceIn(dst *weir.Writer, b []byte, pairs []pair, last bool, longest int) (done int) {
	certain := len(b)
	if !last {
		certain = max(0, len(b)-longest+1)
	}
	next := make([]int, len(pairs)) // where each comes next, as far as that is known
	for k := range next {
		next[k] = -1
	}
	for done < certain {
		at, found := certain, pair{}
		for k, p := range pairs {
			if next[k] < done {
				next[k] = indexFrom(b, p.from, done)
			}
			if next[k] < at {
				at, found = next[k], p
			}
		}
		dst.Write(b[done:at])
		dst.WriteString(found.to)
		done = at + len(found.from)
	}
	return done
}

// indexFrom returns where word is in b, from a place on; the end if it is not.
func indexFrom(b []byte, word string, from int) int {
	if i := bytes.Index(b[from:], []byte(word)); i >= 0 && word != "" {
		return from + i
	}
	return len(b)
}

func oneOf(types []string, contentType string) bool {
	for _, t := range types {
		if strings.HasPrefix(strings.ToLower(contentType), t) {
			return true
		}
	}
	return false
}
