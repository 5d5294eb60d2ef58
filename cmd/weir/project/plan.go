package project

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options say how a guest is built.
type Options struct {
	// Output is where the module goes; "": beside the sources, by the project's name.
	Output string
	// Names keeps the names of functions in it, for traces of failures.
	Names bool
	// Colour has compilers colour what they say, though it goes to no terminal.
	Colour bool
}

// Command is one program that a build runs.
type Command struct {
	Dir  string
	Env  []string // beside that of weir
	Args []string
}

// Plan is what a build runs.
type Plan struct {
	Tool     string // what compiles it: "Go 1.26.8"
	Commands []Command
	From     string // where the last command leaves the module, if not at Output
	Output   string
}

// Missing is the error of a machine that lacks what a language is built with.
type Missing struct {
	What string
	// Ways are those to get it, one to a line: "apt install lld-14".
	Ways []string
}

// Error says what is missing; how to get it is in Ways.
func (m *Missing) Error() string { return m.What }

// Plan finds the tools for the project. The error of what is not there is a *Missing.
func (p *Project) Plan(ctx context.Context, o Options) (*Plan, error) {
	if o.Output == "" {
		o.Output = filepath.Join(p.Dir, p.Name+".wasm")
	}
	// Compilers run in the project's directory.
	out, err := filepath.Abs(o.Output)
	if err != nil {
		return nil, err
	}
	o.Output = out
	t := machine{ctx}
	var plan *Plan
	switch p.Language {
	case Go:
		plan, err = planGo(t, p, o)
	case Rust:
		plan, err = planRust(t, p, o)
	case AssemblyScript:
		plan, err = planAssemblyScript(t, p, o)
	default:
		plan, err = planC(t, p, o)
	}
	if err != nil {
		return nil, err
	}
	plan.Output = out
	if o.Colour {
		for i := range plan.Commands {
			c := &plan.Commands[i]
			c.Env = append(c.Env, "CARGO_TERM_COLOR=always", "FORCE_COLOR=1")
		}
	}
	return plan, nil
}

// errFailed ends a build whose compiler has said why.
var errFailed = errors.New("it does not compile")

// Run builds. What compilers print goes to out as they print it. A module that is there
// stays if there is no other.
func (p *Plan) Run(ctx context.Context, out io.Writer) error {
	for _, c := range p.Commands {
		cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
		cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.WaitDelay = time.Second // for what a compiler has started, and that holds its output
		err := cmd.Run()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ran := errors.AsType[*exec.ExitError](err); ran {
			return errFailed
		}
		if err != nil {
			return fmt.Errorf("run %s: %w", c.Args[0], err)
		}
	}
	if p.From == "" {
		return nil
	}
	return replace(p.Output, p.From)
}

// replace puts a copy of the file from in the place of the file to.
func replace(to, from string) error {
	code, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to+".new", code, 0o644); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}

// String returns the command as one for a shell.
func (c Command) String() string {
	var words []string
	for _, w := range c.Env {
		name, value, _ := strings.Cut(w, "=")
		words = append(words, name+"="+shellWord(value))
	}
	for _, w := range c.Args {
		words = append(words, shellWord(w))
	}
	return strings.Join(words, " ")
}

var bareWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

func shellWord(w string) string {
	if bareWord.MatchString(w) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
