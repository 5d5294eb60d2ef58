package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weirproxy/weir/cmd/weir/project"
	"github.com/weirproxy/weir/wasmhost"
)

// filterBuildCmd is `weir filter build`.
type filterBuildCmd struct {
	Dir string `arg:"" optional:"" default:"." help:"The project's directory. Default: this one."`

	Output string `short:"o" placeholder:"FILE" help:"Where the module goes. Default: beside the sources, by the project's name."`
	Names  bool   `help:"Keep the names of functions, for the stacks of guests that fail. weir dev does."`
	Print  bool   `help:"Print the commands, and run none."`
}

// Help is what `weir filter build --help` adds.
func (*filterBuildCmd) Help() string {
	return `It finds out the language by the files: go.mod, Cargo.toml, asconfig.json or package.json, *.c or *.cc; and what
compiles it, or says what to install. Projects on other SDKs are built as well: proxy-wasm-go-sdk, the crate proxy-wasm,
@solo-io/proxy-runtime; and programs that speak CGI.`
}

func (cmd *filterBuildCmd) Run(a *app) error {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	p, err := project.Find(cmd.Dir)
	if err != nil {
		return hinted{err, ""}
	}
	plan, err := p.Plan(ctx, project.Options{Output: cmd.Output, Names: cmd.Names})
	if err != nil {
		return a.lacking(err)
	}
	if cmd.Print {
		return cmd.print(a.stdout, plan)
	}
	began := time.Now()
	if err := plan.Run(ctx, a.stderr); err != nil {
		return fmt.Errorf("build %s: %w", p.Name, err)
	}
	b, err := judgeBuilt(plan, time.Since(began))
	if err != nil {
		return fmt.Errorf("build %s: %w", p.Name, err)
	}
	_, err = fmt.Fprintln(a.stdout, b)
	return err
}

// print shows the commands as lines for a shell in this directory.
func (cmd *filterBuildCmd) print(w io.Writer, plan *project.Plan) error {
	var b strings.Builder
	dir := filepath.Clean(cmd.Dir)
	for _, c := range plan.Commands {
		if dir == "." {
			fmt.Fprintln(&b, c)
		} else {
			fmt.Fprintf(&b, "(cd %s && %s)\n", dir, c)
		}
	}
	if plan.From != "" {
		fmt.Fprintln(&b, project.Command{Args: []string{"cp", plan.From, plan.Output}})
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lacking shows what to install, where a tool is missing.
func (a *app) lacking(err error) error {
	m, ok := errors.AsType[*project.Missing](err)
	if !ok {
		return err
	}
	fmt.Fprintln(a.stderr, "weir:", m)
	if len(m.Ways) == 1 {
		fmt.Fprintln(a.stderr, "\n  To install it:")
	} else {
		fmt.Fprintln(a.stderr, "\n  To install it, one of:")
	}
	for _, way := range m.Ways {
		fmt.Fprintln(a.stderr, "   ", way)
	}
	return exitError(exitFailed)
}

// built is a module that a build has made.
type built struct {
	file, abi, tool string
	size            int
	took            time.Duration
}

// judgeBuilt looks whether weir can run what was made.
func judgeBuilt(plan *project.Plan, took time.Duration) (*built, error) {
	code, err := readModule(plan.Output)
	if err != nil {
		return nil, err
	}
	abi, err := wasmhost.Speaks(code)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.Output, err)
	}
	file := plan.Output
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, file); err == nil && !strings.HasPrefix(rel, "..") {
			file = rel
		}
	}
	return &built{file, abi, plan.Tool, len(code), took}, nil
}

// String is one line.
func (b *built) String() string {
	return fmt.Sprintf("%s: %s, %s, by %s in %s", printable(b.file), bytesOf(int64(b.size)), b.abi, b.tool, tenths(b.took))
}

func tenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
