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
	"slices"
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

// cli is the command line; kong reads the tags. The order is that of the help.
type cli struct {
	Run   runCmd   `cmd:"" group:"Serve" help:"Serve what weir.yaml says, in the foreground."`
	Serve serveCmd `cmd:"" group:"Serve" help:"Serve a directory, without a configuration."`

	Proxy proxyCmd `cmd:"" group:"Serve" help:"Pass requests on, without a configuration."`

	Filter filterCmd `cmd:"" group:"Serve" help:"Try a filter or module of WebAssembly, without a configuration."`
	Dev    devCmd    `cmd:"" group:"Serve" help:"Build a filter or module and serve it, again after each change."`

	Check   checkCmd   `cmd:"" group:"Configuration" help:"Check the configuration and all it names." aliases:"validate"`
	Explain explainCmd `cmd:"" group:"Configuration" help:"Say what would answer a URL, and why."`
	Fmt     fmtCmd     `cmd:"" group:"Configuration" help:"Print the configuration in canonical form, comments kept."`
	Config  configCmd  `cmd:"" group:"Configuration" help:"Print the configuration as understood, without secrets."`
	Schema  schemaCmd  `cmd:"" group:"Configuration" help:"Print the JSON Schema of the configuration, for editors."`

	Reload      reloadCmd      `cmd:"" group:"The running weir" help:"Make the running weir read its configuration again."`
	Stop        stopCmd        `cmd:"" group:"The running weir" help:"Stop the running weir; what was begun is answered."`
	Upstream    upstreamCmd    `cmd:"" group:"The running weir" help:"Look at upstreams, and drain them."`
	Plugin      pluginCmd      `cmd:"" group:"The running weir" help:"Look at plugins."`
	Cache       cacheCmd       `cmd:"" group:"The running weir" help:"Look at the cache, and purge it."`
	Healthcheck healthcheckCmd `cmd:"" group:"The running weir" help:"Ask the running weir whether it is ready: exit code 0 or 1."`

	Cert   certCmd   `cmd:"" group:"Certificates" help:"List, renew, revoke, import and export certificates."`
	Store  storeCmd  `cmd:"" group:"Certificates" help:"Check, export and import what the nodes of one weir share."`
	Doctor doctorCmd `cmd:"" group:"Certificates" help:"Look for what keeps certificates from being had: DNS, CAA, ports, clock, permissions."`

	Hash       hashCmd       `cmd:"" group:"This machine" help:"Hash a password, for users of basic-auth."`
	Trust      trustCmd      `cmd:"" group:"This machine" help:"Make this machine trust weir's own CA."`
	Untrust    untrustCmd    `cmd:"" group:"This machine" help:"Undo trust."`
	Completion completionCmd `cmd:"" group:"This machine" help:"Print completion for bash, zsh or fish."`
	Man        manCmd        `cmd:"" group:"This machine" help:"Print the manual page."`
	Version    versionCmd    `cmd:"" group:"This machine" help:"Print the version."`
}

const description = `An edge proxy: HTTP/1.1, HTTP/2 and HTTP/3 in one program.

  weir serve             this directory, on http://localhost:8000
  weir proxy 9000        https://localhost:8443 to a program on port 9000
  weir run               the sites of ./weir.yaml
  weir explain URL       what would answer, and why
  weir cert ls           certificates: until when, and what is wrong`

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, colour: isTerminal(stderr)}
	exit := -1
	parser, err := kong.New(new(cli),
		kong.Name("weir"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "weir:", err)
		return exitFailed
	}
	a.model = parser.Model
	ctx, err := parser.Parse(usual(args))
	if exit >= 0 { // help was asked for and printed
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		fmt.Fprintln(stderr, "Try:", tryHelp(a.model, args))
		return exitUsage
	}
	return a.finish(ctx.Run(a))
}

// usual turns what hands type into what the commands are called.
func usual(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:len(args):len(args)], "--help")
	case len(args) == 1 && (args[0] == "--version" || args[0] == "-v" || args[0] == "-V"):
		return []string{"version"}
	case args[0] == "-t": // nginx's
		return append([]string{"check"}, args[1:]...)
	}
	return args
}

// tryHelp names the help that fits a command line that was not understood.
func tryHelp(m *kong.Application, args []string) string {
	for _, c := range m.Children {
		if c.Name == args[0] || slices.Contains(c.Aliases, args[0]) {
			return "weir " + c.Name + " --help"
		}
	}
	return "weir --help"
}

// exitError ends the program with a code; its message, if any, has been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

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
		return "user " + strconv.Itoa(os.Getuid()) + " may not do that: do it as the user that weir runs as, or as root"
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
	fmt.Fprintln(a.stderr, "weir:", printable(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(a.stderr, "     ", hint)
	}
}
