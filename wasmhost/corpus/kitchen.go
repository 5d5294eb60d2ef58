package corpus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// kitchen is where one module is made.
type kitchen struct {
	ctx  context.Context
	dir  string // empty, and gone afterwards
	keep string // what is kept, for this and other modules
}

// lackError says that a tool or a registry is missing; nothing is wrong with the guest.
type lackError struct {
	what  string
	cause error
}

func (e *lackError) Error() string {
	if e.cause == nil {
		return e.what + " is missing"
	}
	return fmt.Sprintf("%s is missing: %v", e.what, e.cause)
}

func (e *lackError) Unwrap() error { return e.cause }

// find returns the path of the first of programs that is installed.
func find(programs ...string) (string, error) {
	for _, p := range programs {
		if path, err := exec.LookPath(p); err == nil {
			return path, nil
		}
	}
	return "", &lackError{what: programs[0]}
}

// run runs a program in dir and returns what it prints. Its environment is the test's
// and env.
func (k *kitchen) run(dir string, env []string, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(k.ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w\n%s%s", program, args, err, out, diag.Bytes())
	}
	return out, nil
}

// unpack writes a directory of testdata to dir.
func unpack(dir, from string) error {
	tree, err := fs.Sub(sources, "testdata/"+from)
	if err != nil {
		return err
	}
	return os.CopyFS(dir, tree)
}

// digest returns a hash of a file or directory of testdata.
func digest(name string) string {
	h := sha256.New()
	err := fs.WalkDir(sources, "testdata/"+name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := sources.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(data), data)
		return err
	})
	if err != nil {
		return err.Error() // cooking fails for the same reason, and says so
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// once has a directory of k.keep made: by fill, in another place, so that it is there
// whole or not at all.
func (k *kitchen) once(name string, fill func(dir string) error) (string, error) {
	final := filepath.Join(k.keep, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	next, err := os.MkdirTemp(k.keep, "next-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(next)
	if err := fill(next); err != nil {
		return "", err
	}
	// Another test may have been quicker.
	if err := os.Rename(next, final); err != nil {
		if _, there := os.Stat(final); there != nil {
			return "", err
		}
	}
	return final, nil
}
