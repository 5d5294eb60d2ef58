package config

import (
	"bytes"
	"testing"
)

func TestFormat_Golden(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/format/*.txt", func(src string) string {
		out, err := Format("weir.yaml", []byte(src))
		if err != nil {
			return err.Error() + "\n"
		}
		return string(out)
	})
}

// checkFormat holds what Format promises for any text.
func checkFormat(t *testing.T, src []byte) {
	t.Helper()
	once, err := Format("x.yaml", src)
	if err != nil {
		if _, ok := err.(Errors); !ok {
			t.Fatalf("input %q: %v", src, err)
		}
		return
	}
	twice, err := Format("x.yaml", once)
	if err != nil {
		t.Fatalf("input %q: formatting the result %q: %v", src, once, err)
	}
	if !bytes.Equal(once, twice) {
		t.Errorf("input %q:\nonce:\n%s\ntwice:\n%s", src, once, twice)
	}
	before, after := commentTexts(t, src), commentTexts(t, once)
	if before != after {
		t.Errorf("input %q: output:\n%s\ncomments: got %q, want %q", src, once, after, before)
	}
}

// commentTexts joins the letters of all comments in an order of their own, since
// comments may join others and move to where they fit.
func commentTexts(t *testing.T, src []byte) string {
	t.Helper()
	r := &reader{src: source{text: string(src)}}
	root := r.parse()
	var count [256]int
	for _, c := range r.src.comments(r.src.opaqueSpans(root)) {
		for i := range len(c.text) {
			count[c.text[i]]++
		}
	}
	var out []byte
	for b, n := range count {
		if b != ' ' && b != '\t' {
			out = append(out, bytes.Repeat([]byte{byte(b)}, n)...)
		}
	}
	return string(out)
}
