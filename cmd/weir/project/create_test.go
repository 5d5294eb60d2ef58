package project_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/project"
)

func TestWrite_RefusesADirectoryThatIsNotEmpty(t *testing.T) {
	t.Parallel()
	dir := tree(t, "stamp", map[string]string{"mine.txt": "mine"})
	_, err := project.Start{Name: "stamp", Language: project.Go}.Write(dir)
	if err == nil || !strings.Contains(err.Error(), "is not empty: it has mine.txt") {
		t.Errorf("got %v, want an error that names what is there", err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("the directory has %d entries now, want what it had", len(all))
	}
	if _, err := (project.Start{Name: "../stamp", Language: project.Go}).Write(t.TempDir()); err == nil {
		t.Error("a name that leads elsewhere was taken")
	}
}

// TestWrite_LeavesNoPlaceholder: every language has both kinds, and in all that authors
// see the project has its name.
func TestWrite_LeavesNoPlaceholder(t *testing.T) {
	t.Parallel()
	for _, lang := range all {
		for _, module := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "stamp-it")
			files, err := project.Start{Name: "stamp-it", Language: lang, Module: module}.Write(dir)
			if err != nil {
				t.Errorf("%s, module %v: %v", lang, module, err)
				continue
			}
			for _, want := range []string{".gitignore", "README.md", "cases.yaml"} {
				if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
					t.Errorf("%s, module %v: %v", lang, module, err)
				}
			}
			for _, f := range files {
				text, err := os.ReadFile(filepath.Join(dir, f))
				if err != nil || strings.Contains(string(text), "{{") || strings.Contains(f, "{{") {
					t.Errorf("%s, module %v: %s has a placeholder left, or %v", lang, module, f, err)
				}
			}
			p, err := project.Find(dir)
			if err != nil || p.Language != lang || p.Name != "stamp-it" || p.Module != module {
				t.Errorf("%s, module %v: is found as %+v, %v", lang, module, p, err)
			}
		}
	}
}
