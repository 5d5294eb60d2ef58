package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/project"
)

// filterNewCmd is `weir filter new`.
type filterNewCmd struct {
	Name string `arg:"" help:"What it is called, and its directory."`

	Lang   string `short:"l" placeholder:"LANGUAGE" help:"go, rust, assemblyscript or c."`
	Module bool   `help:"One that answers requests by itself."`
	Dir    string `short:"d" placeholder:"DIR" help:"Where to write it. Default: a directory of its name, here."`
}

// Help is what `weir filter new --help` adds.
func (*filterNewCmd) Help() string {
	return `The project has the source of a filter that works, a native test, cases for weir filter test, and the sources
of the SDK, so that nothing has to be fetched to build it in Go, Rust or C.

  weir filter new stamp --lang go
  weir filter new guestbook --lang go --module`
}

func (cmd *filterNewCmd) Run(a *app) error {
	usage := func(err error) error {
		fmt.Fprintln(a.stderr, "weir filter new:", err)
		return exitError(exitUsage)
	}
	if cmd.Lang == "" {
		return usage(fmt.Errorf("in which language? Try: weir filter new %s --lang go (or rust, assemblyscript, c)", cmd.Name))
	}
	lang, err := project.ParseLanguage(cmd.Lang)
	if err == nil {
		err = project.CheckName(cmd.Name)
	}
	if err != nil {
		return usage(err)
	}
	dir := cmp.Or(cmd.Dir, cmd.Name)
	files, err := project.Start{Name: cmd.Name, Language: lang, Module: cmd.Module}.Write(dir)
	if err != nil {
		return hinted{err, ""}
	}
	var text strings.Builder
	cmd.tell(&text, lang, dir, files)
	_, err = io.WriteString(a.stdout, printable(text.String()))
	return err
}

// purposes say what the files of a project are for. Of others that is plain.
var purposes = []struct{ pattern, text string }{
	{"*_test.*", "its test, in the language's own way"},
	{"*.test.*", "its test, in the language's own way"},
	{"test.*", "its test, in the language's own way"},
	{"main.*", "the source"},
	{"lib.rs", "the source"},
	{"index.ts", "the source"},
	{"*.c", "the source"},
	{"*.cc", "the source"},
	{"cases.yaml", "what it has to do, for weir filter test"},
	{"Makefile", "builds it without weir"},
	{"README.md", "how to go on"},
}

// tell says what was written, and what to do next.
func (cmd *filterNewCmd) tell(w io.Writer, lang project.Language, dir string, files []string) {
	what := "filter"
	if cmd.Module {
		what = "module"
	}
	where := "in " + filepath.Clean(dir) + string(os.PathSeparator)
	if filepath.Clean(dir) == "." {
		where = "here"
	}
	fmt.Fprintf(w, "\n  %s is a %s in %s, %s\n\n", cmd.Name, what, lang, where)
	width := len(project.SDKDir) + 1
	for _, f := range files {
		width = max(width, len(f))
	}
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), ".") {
			continue
		}
		fmt.Fprintf(w, "    %s\n", strings.TrimRight(fmt.Sprintf("%-*s  %s", width, f, purposeOf(f)), " "))
	}
	fmt.Fprintf(w, "    %-*s  the SDK's sources\n", width, project.SDKDir+"/")
	fmt.Fprint(w, "\n  Next:\n\n")
	if clean := filepath.Clean(dir); clean != "." {
		fmt.Fprintf(w, "    cd %s\n", clean)
	}
	fmt.Fprintf(w, "    weir dev             builds and serves it, again after each change\n")
	fmt.Fprintf(w, "    weir filter build    makes %s.wasm\n", cmd.Name)
	fmt.Fprintf(w, "    weir filter test     runs cases.yaml against it\n\n")
}

func purposeOf(file string) string {
	i := slices.IndexFunc(purposes, func(p struct{ pattern, text string }) bool {
		ok, _ := filepath.Match(p.pattern, filepath.Base(file))
		return ok
	})
	if i < 0 {
		return ""
	}
	return purposes[i].text
}
