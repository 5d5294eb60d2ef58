package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// tools are what is installed. Tests have others.
type tools interface {
	// path returns where a program is, or "".
	path(program string) string
	// says returns what a program prints when it is asked something, in dir, without the
	// spaces around it; "" if it fails.
	says(dir string, env []string, program string, args ...string) string
	// tells is says with the reason for which the program fails: what it prints then.
	tells(dir string, env []string, program string, args ...string) (string, error)
	// has tells whether there is a file or directory.
	has(path string) bool
	// env returns a variable.
	env(name string) string
}

// machine is this one.
type machine struct{ ctx context.Context }

func (machine) path(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	return path
}

// patience bounds what compilers are asked: they answer at once, unless one is a stub
// that fetches itself first.
const patience = time.Minute

func (m machine) says(dir string, env []string, program string, args ...string) string {
	text, err := m.tells(dir, env, program, args...)
	if err != nil {
		return ""
	}
	return text
}

func (m machine) tells(dir string, env []string, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		err = errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (machine) has(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (machine) env(name string) string { return os.Getenv(name) }
