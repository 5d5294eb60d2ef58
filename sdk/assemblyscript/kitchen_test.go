package assemblyscript_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// kitchen has the tools of one test.
type kitchen struct {
	t         *testing.T
	node, npm string
	modules   string // node_modules with the compiler
}

// newKitchen finds Node.js, and the compiler that testdata/npm locks, or ends the test.
func newKitchen(t *testing.T) *kitchen {
	t.Helper()
	k := &kitchen{t: t}
	for name, path := range map[string]*string{"node": &k.node, "npm": &k.npm} {
		found, err := exec.LookPath(name)
		if err != nil {
			lack(t, name+" is not installed")
		}
		*path = found
	}
	modules, err := compiler(k.npm)
	if err != nil {
		lack(t, err.Error())
	}
	k.modules = modules
	return k
}

// lack ends a test for which something is missing.
func lack(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WEIR_CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

var installing sync.Mutex

// compiler returns a node_modules with the compiler in it, which is kept beside what
// other tests keep.
func compiler(npm string) (string, error) {
	installing.Lock()
	defer installing.Unlock()
	lock, err := os.ReadFile(filepath.Join("testdata", "npm", "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	keep := filepath.Join(cache, "weir-ci", "guests")
	final := filepath.Join(keep, "assemblyscript-"+hex.EncodeToString(sum[:8]))
	modules := filepath.Join(final, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return "", err
	}
	next, err := os.MkdirTemp(keep, "next-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(next)
	if err := os.CopyFS(next, os.DirFS(filepath.Join("testdata", "npm"))); err != nil {
		return "", err
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--silent")
	cmd.Dir = next
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the compiler from npm's registry: %w\n%s", err, out)
	}
	// Another test may have been quicker.
	if err := os.Rename(next, final); err != nil {
		if _, there := os.Stat(modules); there != nil {
			return "", err
		}
	}
	return modules, nil
}

// run runs a program in dir, and returns what it prints.
func (k *kitchen) run(dir, program string, args ...string) string {
	k.t.Helper()
	cmd := exec.CommandContext(k.t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		k.t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

// asc compiles.
func (k *kitchen) asc(dir string, args ...string) {
	k.t.Helper()
	k.run(dir, k.node, append([]string{filepath.Join("node_modules", "assemblyscript", "bin", "asc.js")}, args...)...)
}

var weirs struct {
	sync.Mutex
	dir string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if weirs.dir != "" {
		os.RemoveAll(weirs.dir)
	}
	os.Exit(code)
}

// weir returns the path of weir, which is built once.
func (k *kitchen) weir() string {
	k.t.Helper()
	weirs.Lock()
	defer weirs.Unlock()
	if weirs.dir == "" {
		dir, err := os.MkdirTemp("", "weir-as-*")
		if err != nil {
			k.t.Fatal(err)
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "weir"), "../../cmd/weir").CombinedOutput(); err != nil {
			k.t.Fatalf("build weir: %v\n%s", err, out)
		}
		weirs.dir = dir
	}
	return filepath.Join(weirs.dir, "weir")
}

// copySDK copies what projects are given of the SDK.
func (k *kitchen) copySDK(dir string) {
	k.t.Helper()
	for _, name := range []string{"assembly", "testing"} {
		copyTree(k.t, filepath.Join(dir, name), name)
	}
	for _, name := range []string{"package.json", "asconfig.json"} {
		copyFile(k.t, filepath.Join(dir, name), name)
	}
}

// link gives a project the compiler, as npm install does.
func (k *kitchen) link(dir string) {
	k.t.Helper()
	modules := filepath.Join(dir, "node_modules")
	bin := filepath.Join(modules, ".bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		k.t.Fatal(err)
	}
	for _, name := range []string{"assemblyscript", "binaryen", "long"} {
		if err := os.Symlink(filepath.Join(k.modules, name), filepath.Join(modules, name)); err != nil {
			k.t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(modules, "assemblyscript", "bin", "asc.js"), filepath.Join(bin, "asc")); err != nil {
		k.t.Fatal(err)
	}
}

func copyTree(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
