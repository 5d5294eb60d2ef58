// Command weir is an edge proxy: it terminates TLS and HTTP/1.1, HTTP/2 and
// HTTP/3, and routes virtual hosts to what answers them.
//
// This package alone knows every other: it reads the configuration, builds from it
// what package edge serves, and owns the life of the process.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// version is set by the linker; see the Makefile.
var version = "devel"

// Exit codes. A service manager must not restart after 1 (RestartPreventExitStatus=1).
const (
	exitOK      = 0
	exitFailed  = 1  // did not start, or a tool's answer is no
	exitForced  = 2  // a second signal cut the drain short
	exitUnclean = 3  // stopped with exchanges cut
	exitUsage   = 64 // EX_USAGE of sysexits.h
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// app is what commands get: the outer world, so that tests can be one.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	colour         bool // stderr is a terminal that shows it
	model          *kong.Application
}

// cli is the command line; kong reads the tags.
type cli struct {
	Run         runCmd         `cmd:"" help:"Serve what the configuration says, in the foreground."`
	Serve       serveCmd       `cmd:"" help:"Serve a directory, without a configuration."`
	Check       checkCmd       `cmd:"" help:"Check the configuration and all it names." aliases:"validate"`
	Explain     explainCmd     `cmd:"" help:"Say what would answer a URL, and why."`
	Fmt         fmtCmd         `cmd:"" help:"Print the configuration in canonical form, comments kept."`
	Config      configCmd      `cmd:"" help:"Print the configuration as it is understood: defaults filled in, secrets left out."`
	Schema      schemaCmd      `cmd:"" help:"Print the JSON Schema of the configuration, for editors."`
	Reload      reloadCmd      `cmd:"" help:"Make the running weir read its configuration again."`
	Stop        stopCmd        `cmd:"" help:"Stop the running weir; what was begun is answered."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the running weir whether it is ready; exit code 0 or 1."`
	Trust       trustCmd       `cmd:"" help:"Make this machine trust the internal CA."`
	Untrust     untrustCmd     `cmd:"" help:"Undo trust."`
	Completion  completionCmd  `cmd:"" help:"Print the completion script for a shell."`
	Man         manCmd         `cmd:"" help:"Print the manual page."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, colour: isTerminal(stderr)}
	exit := -1
	parser, err := kong.New(new(cli),
		kong.Name("weir"),
		kong.Description("An edge proxy. https://localhost in three lines of weir.yaml."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "weir:", err)
		return exitFailed
	}
	a.model = parser.Model
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if exit >= 0 { // help was asked for and printed
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		fmt.Fprintln(stderr, "Try: weir --help")
		return exitUsage
	}
	return a.finish(ctx.Run(a))
}

// exitError ends the program with a code; its message, if any, has been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

// hintFor returns what to do about an error, or "".
func hintFor(err error) string {
	h, known := errors.AsType[hinted](err)
	var at *fs.PathError
	switch {
	case known:
		return h.hint
	case !errors.As(err, &at):
		return ""
	case errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(at.Path):
		wd, _ := os.Getwd()
		return "looked for " + filepath.Join(wd, at.Path) + "; relative paths start at the directory of the configuration"
	case errors.Is(err, fs.ErrPermission):
		return "weir runs as user " + strconv.Itoa(os.Getuid()) + ", who may not do that"
	}
	return ""
}

func (a *app) finish(err error) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	a.print(err)
	return exitFailed
}

// print says what went wrong, to a person.
func (a *app) print(err error) {
	if mistakes, ok := errors.AsType[config.Errors](err); ok {
		fmt.Fprintln(a.stderr, mistakes.Text(a.colour))
		return
	}
	fmt.Fprintln(a.stderr, "weir:", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(a.stderr, "     ", hint)
	}
}
