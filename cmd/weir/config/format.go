package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Format lays the file out in the one usual way: two spaces, one blank line at most,
// block style for what does not fit a line, comments kept and those at the ends of
// neighbouring lines aligned. It changes neither the order of keys nor any value, and
// formatting twice is formatting once. The settings themselves need not be right;
// the error, of type [Errors], tells of text that is not in the subset of YAML.
func Format(name string, src []byte) ([]byte, error) {
	r := &reader{name: name, src: source{text: string(src)}}
	root := r.parse()
	if len(r.errs) > 0 {
		return nil, sorted(r.errs)
	}
	l := newLayout(&r.src, root)
	l.document(root)
	out := l.bytes()
	// A formatter that changes what a file says is worse than none.
	again := &reader{name: name, src: source{text: string(out)}}
	if back := again.parse(); back == nil || len(again.errs) > 0 || !same(root, back) {
		return nil, fmt.Errorf("format %s: the result would not say the same; please report this", name)
	}
	return out, nil
}

// layOut prints nodes that come from no file.
func layOut(root *yaml.Node) []byte {
	l := newLayout(&source{}, nil)
	l.document(root)
	return l.bytes()
}
