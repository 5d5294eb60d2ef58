package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
)

const config = `{"replace": {"river": "stream", "rivers": "never seen", "w": "W"}}`

// TestReplace_WhereverPiecesEnd cuts a text at each byte: it never shows.
func TestReplace_WhereverPiecesEnd(t *testing.T) {
	t.Parallel()
	const text = "A river, rivers, a riverriver; and a rive"
	const want = "A stream, streams, a streamstream; and a rive"
	h := sdktest.New(t, sdktest.Configured(configured, config))
	for size := 1; size <= len(text); size++ {
		var pieces []string
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			pieces = append(pieces, rest[:min(size, len(rest))])
		}
		h.Next(func(*sdktest.Request) *sdktest.Answer {
			return &sdktest.Answer{Header: sdktest.Fields("content-type", "text/plain"), Chunks: pieces}
		})
		if got := h.Get("/").Body; got != want {
			t.Errorf("in pieces of %d: got %q", size, got)
		}
	}
}

func TestReplace_LeavesOtherTypesAlone(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, config))
	text := strings.Repeat("river", 1000)
	h.Next(func(*sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Header: sdktest.Fields("content-type", "image/png"), Body: text}
	})
	if h.Get("/").Body != text {
		t.Error("a picture was changed")
	}
}

// TestRewrite_ManyWordsInOnePiece: what is not there is not looked for at each word that is.
func TestRewrite_ManyWordsInOnePiece(t *testing.T) {
	t.Parallel()
	words := `"a": "x"`
	for i := range 16 {
		words += fmt.Sprintf(`, "b%d": ""`, i)
	}
	h := sdktest.New(t, sdktest.Configured(configured, `{"replace": {`+words+`}}`))
	const n, piece = 32, 64 << 10
	h.Next(func(*sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Header: sdktest.Fields("content-type", "text/html"), Chunks: slices.Repeat([]string{strings.Repeat("a", piece)}, n)}
	})
	began := time.Now()
	if resp := h.Get("/"); resp.Body != strings.Repeat("x", n*piece) {
		t.Errorf("got %d bytes", len(resp.Body))
	}
	// Milliseconds, or minutes where each word is looked for from each place.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}
