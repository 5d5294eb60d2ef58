package main_test

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// documents are the ones whose links and examples are checked.
var documents = []string{"README.md", "PROXYING.md", "PLUGINS.md", "sdk/README.md", "sdk/TESTING.md", "sdk/HOST.md", "CERTIFICATES.md", "ARCHITECTURE.md", "RATIONALE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", "examples/quickstart/README.md", "examples/systemd/README.md", "examples/container/README.md", "examples/app/README.md", "examples/websocket/README.md", "examples/grpc/README.md", "examples/filter/README.md", "examples/cgi/README.md", "examples/cluster/README.md"}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

func TestHouse_DocumentsLinkToWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, name := range documents {
		for _, m := range link.FindAllStringSubmatch(readDocument(t, name), -1) {
			target := filepath.Join("..", "..", filepath.Dir(name), filepath.FromSlash(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestHouse_DocumentsQuoteValidConfiguration holds every YAML block to what weir accepts.
func TestHouse_DocumentsQuoteValidConfiguration(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range documents {
		for _, m := range yamlBlock.FindAllStringSubmatch(readDocument(t, name), -1) {
			if name == "sdk/TESTING.md" && !strings.Contains(m[1], "sites:") {
				continue // cases, which TestTesting holds to what weir filter test reads
			}
			found++
			file := filepath.Join(t.TempDir(), "weir.yaml")
			write(t, file, m[1])
			for _, secret := range namedFile.FindAllStringSubmatch(m[1], -1) {
				write(t, filepath.Join(filepath.Dir(file), secret[1]), strings.Repeat("5e", 32))
			}
			if _, err := config.Load(file, os.LookupEnv); err != nil {
				t.Errorf("%s quotes a configuration that weir refuses:\n%v", name, err)
			}
		}
	}
	if found == 0 {
		t.Error("found no YAML in the documents, want the README's at least")
	}
}

// TestHouse_ExamplesAreValid reads the configuration of every example.
func TestHouse_ExamplesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/weir.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("examples: %v, %v; want those of quickstart and systemd at least", files, err)
	}
	for _, f := range files {
		if _, err := config.Load(f, os.LookupEnv); err != nil {
			t.Errorf("%s:\n%v", f, err)
		}
	}
}

var (
	securityRow  = regexp.MustCompile(`(?m)^\| ([GQWP]\d+) \|.*\| (tests|version|later|open) \|$`)
	securityTest = regexp.MustCompile(`^TestSecurity((?:_[GQWP]\d+)+)_[A-Z]`)
)

// TestHouse_SecurityRowsMatchTests holds SECURITY.md to the tests there are: a row
// that claims tests has some by its id, and a row with tests says so.
func TestHouse_SecurityRowsMatchTests(t *testing.T) {
	t.Parallel()
	tested := map[string]string{} // id -> a test of it
	for _, p := range readHouse(t) {
		for _, f := range p.files {
			for _, name := range f.functions() {
				m := securityTest.FindStringSubmatch(name)
				if m == nil && strings.HasPrefix(name, "TestSecurity") {
					t.Errorf("%s: %s is not named TestSecurity_<id>_<What>", f.name, name)
				}
				if m != nil {
					for id := range strings.SplitSeq(m[1][1:], "_") {
						tested[id] = f.name + ": " + name
					}
				}
			}
		}
	}
	rows := map[string]string{}
	for _, m := range securityRow.FindAllStringSubmatch(readDocument(t, "SECURITY.md"), -1) {
		rows[m[1]] = m[2]
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		if _, ok := tested[id]; rows[id] == "tests" && !ok {
			t.Errorf("SECURITY.md says that %s has tests, but there is no TestSecurity_%s_…", id, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(tested)) {
		if rows[id] != "tests" {
			t.Errorf("SECURITY.md says %q for %s, but there is %s", rows[id], id, tested[id])
		}
	}
}

// functions lists the names of f's functions without receiver.
func (f *file) functions() (names []string) {
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
			names = append(names, fn.Name.Name)
		}
	}
	return names
}
