package compress

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// DefaultTypes returns the media types that are worth compressing: text in all its
// forms, and the few binary formats that are not compressed already.
func DefaultTypes() []string {
	return []string{
		"text/*", "*+json", "*+xml", "*+yaml",
		"application/json", "application/x-ndjson", "application/jsonl", "application/json-seq",
		"application/javascript", "application/x-javascript", "application/ecmascript",
		"application/xml", "application/yaml", "application/toml", "application/graphql", "application/sql",
		"application/rtf", "application/x-sh", "application/wasm", "application/vnd.ms-fontobject",
		"application/x-font-ttf", "application/x-font-otf", "font/ttf", "font/otf", "font/collection",
		"image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
	}
}

// types is a set of media types.
type types struct {
	exact  map[string]bool
	trees  map[string]bool // "text" for text/*
	suffix map[string]bool // "json" for *+json
}

func (t *types) add(pattern string) error {
	p := strings.ToLower(pattern)
	if suffix, ok := strings.CutPrefix(p, "*+"); ok && exchange.ValidName(suffix) {
		put(&t.suffix, suffix)
		return nil
	}
	tree, rest, ok := strings.Cut(p, "/")
	switch {
	case !ok || !exchange.ValidName(tree) || !exchange.ValidName(rest) || tree == "*":
		return fmt.Errorf("compress type %q: not a media type, text/* or *+json", pattern)
	case rest == "*":
		put(&t.trees, tree)
	default:
		put(&t.exact, p)
	}
	return nil
}

func put(set *map[string]bool, s string) {
	if *set == nil {
		*set = make(map[string]bool)
	}
	(*set)[s] = true
}

// match tells whether a Content-Type is in the set. It ignores parameters and case.
func (t *types) match(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimRight(media, " \t"))
	tree, _, ok := strings.Cut(media, "/")
	if !ok {
		return false
	}
	if t.exact[media] {
		return true
	}
	// An event stream would hold an encoder for hours, to save little on lines of
	// some hundred bytes: only who names it gets that.
	if t.trees[tree] && media != "text/event-stream" {
		return true
	}
	plus := strings.LastIndexByte(media, '+')
	return plus >= 0 && t.suffix[media[plus+1:]]
}
