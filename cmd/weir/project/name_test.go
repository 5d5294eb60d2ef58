package project_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/project"
)

func TestCheckName_SaysWhatToTake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"hello", ""},
		{"a", ""},
		{"http2-echo", ""},
		{"My Filter", "try my-filter"},
		{"my_filter", "try my-filter"},
		{"-x-", "try x"},
		{"3rd", "try rd"},
		{"../etc/passwd", "try etc-passwd"},
		{"a\nb", "try ab"},
		{"", "small letters"},
		{"…", "small letters"},
		{"match", "try my-match"},
		{"Test", "try my-test"},
		{"weir-sdk", "try my-weir-sdk"},
		{strings.Repeat("a", 64), ""},
		{strings.Repeat("a", 65), "try " + strings.Repeat("a", 64)},
	} {
		err := project.CheckName(c.name)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: got %v, want it to be fine", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

// FuzzCheckName: what an error proposes is fine, and what is fine is no way to elsewhere.
func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"hello", "My Filter", "..", "a--b", "match", "9", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := project.CheckName(name)
		if err == nil {
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || name == "" || len(name) > 64 {
				t.Errorf("%q is fine", name)
			}
			return
		}
		if _, proposed, ok := strings.Cut(err.Error(), "try "); ok && !strings.Contains(name, "try ") {
			if err := project.CheckName(proposed); err != nil {
				t.Errorf("%q: proposes %q, of which it says %v", name, proposed, err)
			}
		}
	})
}

func TestParseLanguage_KnowsItsOtherNames(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"go": "Go", "golang": "Go", "GO": "Go", "rust": "Rust", "rs": "Rust", "assemblyscript": "AssemblyScript", "as": "AssemblyScript",
		"ts": "AssemblyScript", "c": "C", "c++": "C", "cpp": "C",
	} {
		if l, err := project.ParseLanguage(word); err != nil || l.String() != want {
			t.Errorf("%s: got %v, %v, want %s", word, l, err, want)
		}
	}
	if _, err := project.ParseLanguage("python"); err == nil || !strings.Contains(err.Error(), "go, rust, assemblyscript and c") {
		t.Errorf("python: got %v, want an error with the languages there are", err)
	}
}
