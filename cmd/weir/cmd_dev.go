package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/cmd/weir/project"
)

// devCmd is `weir dev`.
type devCmd struct {
	Dir string `arg:"" optional:"" default:"." help:"The project's directory. Default: this one."`

	From string `short:"f" default:"localhost:8443" placeholder:"ADDRESS" help:"Where to listen, as weir proxy takes it. Default: localhost:8443, with HTTPS."`
	guestFlags
	Test bool `default:"true" negatable:"" help:"Run cases.yaml after each build (on; --no-test turns it off)."`
}

// Help is what `weir dev --help` adds.
func (*devCmd) Help() string {
	return `It builds the project as weir filter build does, with the names of functions kept, serves it, and does so again
whenever a file changes: no request fails meanwhile. What does not compile is shown, and the last good build goes on.
A file config.json is what the guest reads as its configuration, unless --config says something else.

  weir filter new hello --lang go && weir dev hello
  weir dev --to 9000     before a program on port 9000`
}

// dev is one weir dev: what it has built, and what serves that.
type dev struct {
	cmd     *devCmd
	project *project.Project
	screen  *screen
	tree    *project.Tree
	module  string      // where modules are built to
	excuse  string      // the file with what is answered while there is none
	answers atomic.Bool // the project's is a module that answers
	served  bool        // a build has been; for the loop alone
	broken  int         // builds broken off in a row; for the loop alone
	p       *process
}

func (cmd *devCmd) Run(a *app) error {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer end()
	found, err := project.Find(cmd.Dir)
	if err != nil {
		return hinted{err, "to begin one: weir filter new hello --lang go"}
	}
	if _, err := found.Plan(ctx, project.Options{}); err != nil {
		return a.lacking(err)
	}
	work, err := os.MkdirTemp("", "weir-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	d := &dev{cmd: cmd, project: found, module: filepath.Join(work, found.Name+".wasm"), excuse: filepath.Join(work, "excuse.txt")}
	d.answers.Store(found.Module)
	d.screen = newScreen(a.stderr, a.colour, cmd.Verbose)
	if d.tree, err = project.Watch(cmd.Dir, filesOf(a.stdout, a.stderr)...); err != nil {
		return err
	}
	defer d.tree.Close()
	if err := d.start(); err != nil {
		return err
	}
	d.welcome(a.stderr)
	built := make(chan struct{})
	go func() {
		defer close(built)
		d.loop(ctx)
	}()
	err = d.p.main(nil)
	end()
	<-built
	return err
}

// filesOf returns what is known of the files that output goes to: one of the project's
// directory would change with all that is said of its changing.
func filesOf(outputs ...io.Writer) (files []fs.FileInfo) {
	for _, w := range outputs {
		if f, ok := w.(*os.File); ok {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				files = append(files, info)
			}
		}
	}
	return files
}

// start serves the excuse that nothing has been built yet.
func (d *dev) start() error {
	if err := d.excused("is being built", ""); err != nil {
		return err
	}
	c, err := d.load()
	if err != nil {
		return plain(err)
	}
	d.p, err = start(slog.New(d.screen), c, d.load)
	if err != nil {
		return plain(err)
	}
	d.p.refused = func(error) {} // who asks for it is told
	return nil
}

// load returns the configuration of the moment.
func (d *dev) load() (*config.Config, error) {
	text, err := d.configuration()
	if err != nil {
		return nil, err
	}
	return config.Parse("weir dev", []byte(text), config.Options{Dir: ".", ReadFile: os.ReadFile})
}

func (d *dev) configuration() (string, error) {
	flags := d.cmd.guestFlags
	flags.Module = flags.Module || d.answers.Load()
	if own := filepath.Join(d.cmd.Dir, ownConfig); flags.Config == "" {
		if _, err := os.Stat(own); err == nil {
			flags.Config = "@" + own
		}
	}
	code, err := readModule(d.module)
	if err == nil {
		text, err := flags.configuration(d.cmd.From, d.pluginName(), d.module, code)
		return strings.Replace(text, "log: {format: console}", devLog, 1), err
	}
	from, err := parseFrom(d.cmd.From)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("listen: {%s}\nadmin: off\n%s\nsites:\n  %s:\n    tls: %s\n    respond:\n      status: 503\n      body: {file: %s}\n      headers: {refresh: '1', cache-control: no-store}\n",
		from.listen(), devLog, quote(from.site()), from.tls(), quote(d.excuse)), nil
}

// pluginName is what logs call the guest: as its project, if a plugin may be called that.
func (d *dev) pluginName() string {
	if project.CheckName(d.project.Name) != nil {
		return "it"
	}
	return d.project.Name
}

// ownConfig is a project's file with what its guest reads as its configuration.
const ownConfig = "config.json"

const devLog = "log: {format: console, requests: all}"

// excused writes down what clients are told while there is no build.
func (d *dev) excused(why, details string) error {
	text := fmt.Sprintf("%s %s.\n", d.project.Name, why)
	if details != "" {
		text += "\n" + details + "\n"
	}
	return os.WriteFile(d.excuse, []byte(text), 0o600)
}

func (d *dev) welcome(w io.Writer) {
	what := "a filter"
	if d.answers.Load() || d.cmd.Module {
		what = "a module"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  weir %s serves %s, %s in %s\n\n", version, d.screen.strong(d.project.Name), what, d.project.Language)
	urls, _ := d.p.urls()
	for _, u := range urls {
		fmt.Fprintf(&b, "    %s\n", d.screen.link(u))
	}
	if what == "a filter" {
		behind := strings.Join(d.cmd.To, ", ")
		if behind == "" {
			behind = "200 (--to 9000: a program on that port)"
		}
		fmt.Fprintf(&b, "      -> the filter -> %s\n", behind)
	}
	d.p.trustHint(&b)
	fmt.Fprintf(&b, "\n  Change a file, and it is built and swapped. Stop with Ctrl-C.\n\n")
	io.WriteString(w, b.String())
}
