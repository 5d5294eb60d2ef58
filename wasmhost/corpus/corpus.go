package corpus

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ABI is what a guest speaks.
type ABI string

// The ABIs of the corpus.
const (
	ProxyWasm ABI = "Proxy-Wasm"
	HTTPWasm  ABI = "http-wasm"
	Command   ABI = "WASI command"
)

// Guest is one module of the corpus.
type Guest struct {
	Name string // unique: where it comes from, and what it is there
	ABI  ABI
	from recipe
}

// recipe is how a module is had.
type recipe interface {
	// id names everything that the module depends on.
	id() string
	// cook makes the module, and returns its path.
	cook(*kitchen) (string, error)
}

//go:embed testdata
var sources embed.FS

// File returns the path of the guest called name. The file is shared: it must not be
// changed. The first call makes the guest, which takes up to half a minute.
func File(t testing.TB, name string) string {
	t.Helper()
	for _, g := range Guests() {
		if g.Name == name {
			return g.File(t)
		}
	}
	t.Fatalf("the corpus has no guest %q", name)
	return ""
}

// Read returns the module called name, as [File] does its path.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	code, err := os.ReadFile(File(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// File returns the path of g, as the function does.
func (g Guest) File(t testing.TB) string {
	t.Helper()
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256([]byte(g.from.id()))
	file := filepath.Join(cache, strings.ReplaceAll(g.Name, "/", "-")+"-"+hex.EncodeToString(id[:6])+".wasm")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	err = g.make(&kitchen{ctx: t.Context(), dir: t.TempDir(), keep: cache}, file)
	var lack *lackError
	switch {
	case errors.As(err, &lack) && os.Getenv("WEIR_CI") == "":
		t.Skipf("guest %s: %v; .ci/run installs what it takes", g.Name, err)
	case err != nil:
		t.Fatalf("make guest %s: %v", g.Name, err)
	}
	return file
}

// make cooks g and puts it at file, which appears whole or not at all: several tests, of
// several processes, may be at it.
func (g Guest) make(k *kitchen, file string) error {
	made, err := g.from.cook(k)
	if err != nil {
		return err
	}
	code, err := os.ReadFile(made)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(k.keep, "next-*")
	if err != nil {
		return err
	}
	_, err = next.Write(code)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		os.Remove(next.Name())
	}
	return err
}

// Cache returns the directory where guests are kept, and makes it if need be. Tests may
// keep there what they make of guests, in directories of their own.
func Cache() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache: %w", err)
	}
	dir := filepath.Join(user, "weir-ci", "guests")
	return dir, os.MkdirAll(dir, 0o755)
}
