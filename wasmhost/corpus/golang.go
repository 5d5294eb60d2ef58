package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// The SDK that standard Go compiles, and the one before it, for TinyGo alone, which most
// filters are written against. Import paths are all that differs.
const (
	goSDK     = "github.com/proxy-wasm/proxy-wasm-go-sdk"
	goSDKVer  = "v0.0.0-20250212164326-ab4161dcf924"
	oldSDK    = "github.com/tetratelabs/proxy-wasm-go-sdk"
	oldSDKVer = "v0.16.0" // the last one that has its examples
	coraza    = "github.com/corazawaf/coraza-proxy-wasm"
	corazaVer = "v0.0.0-20260824140537-b1770f5b0be3"
)

// goFilter is a filter for TinyGo, ported to standard Go: it imports the other SDK, and
// does in init what it did in main, which is not run in a reactor.
type goFilter struct{ module, path, tags string }

func (r goFilter) id() string { return fmt.Sprintf("%+v %s %s", r, goSDKVer, runtime.Version()) }

func (r goFilter) cook(k *kitchen) (string, error) {
	from, err := k.module(r.module)
	if err != nil {
		return "", err
	}
	src := filepath.Join(k.dir, "src")
	if err := os.CopyFS(src, os.DirFS(filepath.Join(from, filepath.FromSlash(r.path)))); err != nil {
		return "", err
	}
	if err := port(src); err != nil {
		return "", err
	}
	if r.path != "." { // an example, which has no module of its own
		if err := os.WriteFile(filepath.Join(src, "go.mod"), []byte("module example\n\ngo 1.24\n"), 0o644); err != nil {
			return "", err
		}
	}
	if _, err := k.run(src, hostGo(), "go", "mod", "edit", "-droprequire="+oldSDK, "-require="+goSDK+"@"+goSDKVer); err != nil {
		return "", err
	}
	if _, err := k.run(src, hostGo(), "go", "mod", "download"); err != nil {
		return "", &lackError{"something that " + r.module + " requires", err}
	}
	return k.reactor(src, r.tags)
}

var mainFunc = regexp.MustCompile(`(?m)^func main\(\) \{$`)

// port edits the Go files below dir in place, and removes tests.
func port(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == "go.work" || strings.HasSuffix(path, "_test.go"):
			return os.Remove(path)
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = []byte(strings.ReplaceAll(string(text), oldSDK, goSDK))
		text = mainFunc.ReplaceAll(text, []byte("func main() {}\n\nfunc init() {"))
		return os.WriteFile(path, text, 0o644)
	})
}

// reactor builds the package in dir as a module that is initialised, and then called.
func (k *kitchen) reactor(dir, tags string) (string, error) {
	return k.build(dir, "-buildmode=c-shared", "-tags="+tags)
}

// build builds the package in dir.
func (k *kitchen) build(dir string, flags ...string) (string, error) {
	out := filepath.Join(k.dir, "guest.wasm")
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}, flags...)
	_, err := k.run(dir, append(hostGo(), "GOOS=wasip1", "GOARCH=wasm"), "go", append(args, ".")...)
	return out, err
}

// goCommand is a program of ours, below testdata/go.
type goCommand struct{ name string }

func (r goCommand) id() string {
	return fmt.Sprintf("%+v %s %s", r, digest("go/"+r.name), runtime.Version())
}

func (r goCommand) cook(k *kitchen) (string, error) {
	src := filepath.Join(k.dir, "src")
	if err := unpack(src, "go/"+r.name); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(src, "go.mod"), []byte("module guest\n\ngo 1.26\n"), 0o644); err != nil {
		return "", err
	}
	return k.build(src)
}
