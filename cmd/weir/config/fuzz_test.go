package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seed adds the inputs of all golden files.
func seed(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*.txt", "testdata/format/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			src, _, _ := strings.Cut(string(b), divider)
			f.Add([]byte(src))
		}
	}
}

// FuzzParse holds that any text either is refused with places that exist, or has a
// normal form that means the same.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Add([]byte("\r0"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("weir.yaml", src, testOptions())
		if err != nil {
			checkErrors(t, src, err)
			return
		}
		normal := Normal(c)
		again, err := Parse("weir.yaml", normal, testOptions())
		if err != nil {
			t.Fatalf("input %q:\nnormal form:\n%s\nis refused: %v", src, normal, err)
		}
		if got := Normal(again); !bytes.Equal(got, normal) {
			t.Errorf("input %q:\nnormal form:\n%s\nof that:\n%s", src, normal, got)
		}
		if len(c.Sites) == 0 {
			t.Errorf("input %q: no sites and no error", src)
		}
	})
}

func checkErrors(t *testing.T, src []byte, err error) {
	t.Helper()
	errs, ok := err.(Errors)
	if !ok || len(errs) == 0 {
		t.Fatalf("input %q: error of type %T: %v", src, err, err)
	}
	lines := bytes.Count(src, []byte("\n")) + 1
	for _, e := range errs {
		if e.Pos.Line < 0 || e.Pos.Line > lines || e.Message == "" || e.Pos.File != "weir.yaml" {
			t.Errorf("input %q: odd error %+v", src, e)
		}
	}
	if text := errs.Text(false); strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }) {
		t.Errorf("input %q: the report holds control characters: %q", src, text)
	}
}

// FuzzFormat holds that formatting keeps meaning and comments, and is done at once.
func FuzzFormat(f *testing.F) {
	seed(f)
	for _, found := range []string{"#\rt\n", "!", "|\n\na: ", ": |\n # y\n  ", "a: |\n\n  >-\n\n    ", "a: b\r\n# c\r\nd: |\r\n  e\r\n", "\ufeff# a\nb: c"} {
		f.Add([]byte(found))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		checkFormat(t, src)
		before, err := Parse("weir.yaml", src, testOptions())
		if err != nil {
			return
		}
		out, err := Format("weir.yaml", src)
		if err != nil {
			t.Fatalf("input %q: %v", src, err)
		}
		after, err := Parse("weir.yaml", out, testOptions())
		if err != nil {
			t.Fatalf("input %q: formatted %q: %v", src, out, err)
		}
		if got, want := Normal(after), Normal(before); !bytes.Equal(got, want) {
			t.Errorf("input %q: formatted:\n%s\nmeans:\n%s\nwant:\n%s", src, out, got, want)
		}
	})
}

// FuzzLayout is FuzzFormat for texts made of the words of YAML, which random bytes
// seldom are.
func FuzzLayout(f *testing.F) {
	words := []string{"\n", "\n  ", "\n    ", "\n\n", "- ", "a: ", "b: ", "c", "# x", " # y", "[", "]", "{", "}", ", ", ": ", `"q#"`, "'s''t'",
		"|\n", ">-\n", "|2-\n", "    text\n", "  # z\n", "\n# w\n", "\t", "é", "~", `"\x41\n"`, "'", `"`, "sites: ", "import: ", " ", "root: ."}
	f.Add([]byte{30, 1, 5, 12, 33, 13})
	f.Add([]byte{5, 18, 21, 8, 0, 6, 10, 7, 9, 1, 7, 11, 9, 0, 5, 1, 4, 5, 7, 1, 8})
	f.Fuzz(func(t *testing.T, picks []byte) {
		var src []byte
		for _, p := range picks[:min(len(picks), 60)] {
			src = append(src, words[int(p)%len(words)]...)
		}
		checkFormat(t, src)
	})
}
