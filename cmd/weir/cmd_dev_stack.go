package main

import (
	"slices"
	"strings"
)

// owner says whose a line of a stack is.
type owner uint8

const (
	noFrame owner = iota // it is none
	authors
	foreign // the language's, or the SDK's: nobody wants to see it
)

// trace tells which of a guest's lines are of a stack that Go's runtime prints, line by
// line, before it ends.
type trace struct {
	within bool
	last   owner
	panic  string // what Go's runtime says again that the SDK has said
}

// hear takes the next line.
func (t *trace) hear(line string) owner {
	switch {
	case strings.HasPrefix(line, "panic: ") && line == t.panic:
		return foreign
	case strings.HasPrefix(line, "panic: "):
		t.within, t.panic = false, line
		return noFrame
	case strings.HasPrefix(line, "goroutine ") && strings.HasSuffix(line, ":"):
		t.within, t.last = true, foreign
	case !t.within:
		return noFrame
	case strings.HasPrefix(line, "\t"): // where the function before it is
	case isForeign(line), strings.HasPrefix(line, "created by "):
		t.last = foreign
	case strings.HasSuffix(line, ")"):
		t.last = authors
	default:
		t.within = false
		return noFrame
	}
	return t.last
}

// strangers are how functions begin that no author has written: of Go, of Rust, of
// AssemblyScript, of C, and of what each ABI wants.
var strangers = []string{
	"runtime.", "runtime/", "internal/", "iter.", "reflect.", "sync.", "net/http.", "github.com/weirproxy/weir/sdk/", "panic(", "wasm_", "wasi_", "proxy_",
	"core::", "std::", "alloc::", "weir::", "<core::", "<std::", "<alloc::", "<weir::", "<T as core::", "rust_", "__",
	"~lib/", "weir-sdk/", "weir_", "_initialize", "_start", "handle_re",
}

func isForeign(function string) bool {
	return slices.ContainsFunc(strangers, func(p string) bool { return strings.HasPrefix(function, p) })
}

// withoutStrangers returns the lines of a guest's that an author wants to see, of those
// that have been said one after the other.
func (t *trace) withoutStrangers(text string) string {
	var kept []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if t.hear(line) != foreign {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// stackInShort is a stack with the author's functions alone, and without what the guest
// printed, which is in the log.
func stackInShort(text string) string {
	text, _, _ = strings.Cut(text, "printed:\n")
	var kept []string
	for line := range strings.Lines(text) {
		if line = demangled(strings.TrimRight(line, "\n")); line != "" && !isForeign(line) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
