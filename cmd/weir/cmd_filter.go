package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/lmittmann/tint"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/wasmhost"
)

type filterCmd struct {
	New     filterNewCmd   `cmd:"" help:"Begin a filter or module, in Go, Rust, AssemblyScript or C."`
	Build   filterBuildCmd `cmd:"" help:"Build the one in a directory."`
	Test    filterTestCmd  `cmd:"" help:"Run cases against a built filter or module."`
	Bench   filterBenchCmd `cmd:"" help:"Measure what a filter or module costs."`
	Inspect inspectCmd     `cmd:"" help:"Say what a module speaks, wants and costs."`
	Run     filterRunCmd   `cmd:"" help:"Put one filter in front of an upstream, and swap it when its file changes."`
}

// filterRunCmd is `weir filter run`.
type filterRunCmd struct {
	File string `arg:"" help:"The module."`

	From string `short:"f" default:"http://localhost:8080" placeholder:"ADDRESS" help:"Where to listen, as weir proxy takes it. Default: http://localhost:8080."`
	guestFlags
}

// guestFlags say how one guest is served, without a configuration.
type guestFlags struct {
	To       []string `short:"t" placeholder:"URL" sep:"none" help:"The upstream: 9000, 10.0.0.1:9000, https://name. Without one, what passes the filter is answered with 200."`
	Module   bool     `help:"Let the module answer, rather than filter. A CGI program needs no such word."`
	Config   string   `short:"c" placeholder:"TEXT|@FILE" help:"What the guest reads as its configuration: a text, or a file."`
	RootID   string   `placeholder:"ID" help:"Which of several filters in a Proxy-Wasm module."`
	Env      []string `short:"e" placeholder:"NAME=VALUE" sep:"none" help:"Grant an environment variable."`
	Mount    []string `placeholder:"DIR:GUEST[:rw]" sep:"none" help:"Grant a directory."`
	URL      []string `placeholder:"ORIGIN" sep:"none" help:"Grant calls to an origin: https://api.example.com."`
	Upstream []string `placeholder:"NAME=URL" sep:"none" help:"Grant calls to an upstream by this name."`
	Store    []string `placeholder:"NAME" help:"Grant a part of the store beside the guest's own."`
	Key      []string `placeholder:"NAME[=FILE]" sep:"none" help:"Grant signing with a key: one that weir makes, or the secret or private key (PEM) in a file."`
	Memory   string   `placeholder:"SIZE" help:"Limit of memory. Default: 64MiB."`
	CPU      string   `name:"cpu" placeholder:"TIME" help:"Limit of CPU for one call. Default: 20ms."`
	Open     bool     `help:"Go on without the filter when the guest fails (on_error: open)."`
	Isolated bool     `help:"A new instance for each request (isolation: request)."`
	Verbose  bool     `short:"v" help:"Show what guests log for debugging, too."`
}

// Help is what `weir filter run --help` adds.
func (*filterRunCmd) Help() string {
	return `What the guest logs and prints is shown, and why it fails. See PLUGINS for how to build one.

  weir filter run filter.wasm --to 9000
  weir filter run filter.wasm --to https://example.com --config '{"header": "x-a"}'
  weir filter run app.wasm --module`
}

func (cmd *filterRunCmd) Run(a *app) error {
	code, err := readModule(cmd.File)
	if err != nil {
		return hinted{err, ""}
	}
	text, err := cmd.configuration(cmd.From, "it", cmd.File, code)
	if err != nil {
		fmt.Fprintln(a.stderr, "weir filter run:", err)
		return exitError(exitUsage)
	}
	load := func() (*config.Config, error) {
		return config.Parse("weir filter run", []byte(text), config.Options{Dir: ".", ReadFile: os.ReadFile})
	}
	c, err := load()
	if err != nil {
		return plain(err)
	}
	level := slog.LevelInfo
	if cmd.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: level, TimeFormat: "15:04:05", NoColor: !a.colour}))
	p, err := start(log, c, load)
	if err != nil {
		return plain(err)
	}
	p.refused = func(err error) {
		log.Error("not swapped, the old one goes on")
		a.print(plain(err))
	}
	w, err := watch(cmd.File, log)
	if err != nil {
		log.Error("not watching", "file", cmd.File, "err", err)
		return p.main(nil)
	}
	defer w.close()
	p.applied = func(*config.Config) { log.Info("swapped", "filter", cmd.File, "speaks", p.world.speaks()) }
	cmd.welcome(a.stderr, p)
	return p.main(w.changed)
}

// speaks names the ABI of the plugin that was opened last.
func (w *world) speaks() (abi string) {
	var last wasmhost.Status
	for _, s := range w.plugins.current().Status() {
		if s.Started.After(last.Started) {
			last = s
		}
	}
	return last.ABI
}

// configuration writes down what the options mean, as weir proxy does.
func (cmd *guestFlags) configuration(at, name, file string, code []byte) (string, error) {
	from, err := parseFrom(at)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {%s}\nadmin: off\nlog: {format: console}\n", from.listen())
	if err := cmd.plugin(&b, name, file); err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "sites:\n  %s:\n    tls: %s\n", quote(from.site()), from.tls())
	if cmd.Module || isCommand(code) {
		if len(cmd.To) > 0 {
			return "", errors.New("a module that answers has no upstream; leave --to out")
		}
		fmt.Fprintf(&b, "    module: %s\n", quote(name))
		return b.String(), nil
	}
	fmt.Fprintf(&b, "    filters: %s\n", quote(name))
	if len(cmd.To) == 0 {
		b.WriteString("    respond: \"The filter let this request pass. With --to URL it would go there.\\n\"\n")
		return b.String(), nil
	}
	to := make([]string, len(cmd.To))
	for i := range to {
		to[i] = quote(cmd.To[i])
	}
	fmt.Fprintf(&b, "    proxy: [%s]\n", strings.Join(to, ", "))
	return b.String(), nil
}

// plugin writes the entry of the plugin, whose module is file.
func (cmd *guestFlags) plugin(b *strings.Builder, name, file string) error {
	fmt.Fprintf(b, "plugins:\n  %s:\n    wasm: %s\n", quote(name), quote(file))
	setting := func(indent, key, value string) {
		if value != "" {
			fmt.Fprintf(b, "%s%s: %s\n", indent, key, value)
		}
	}
	if file, ok := strings.CutPrefix(cmd.Config, "@"); ok {
		setting("    ", "config", "{file: "+quote(file)+"}")
	} else if cmd.Config != "" {
		setting("    ", "config", quote(cmd.Config))
	}
	if cmd.RootID != "" {
		setting("    ", "root_id", quote(cmd.RootID))
	}
	if cmd.Open {
		setting("    ", "on_error", "open")
	}
	if cmd.Isolated {
		setting("    ", "isolation", "request")
	}
	if cmd.Memory != "" || cmd.CPU != "" {
		b.WriteString("    limits:\n")
		setting("      ", "memory", cmd.Memory)
		setting("      ", "cpu", cmd.CPU)
	}
	return cmd.grants(b)
}

func (cmd *filterRunCmd) welcome(w io.Writer, p *process) {
	fmt.Fprintf(w, "\n  weir %s runs %s, which speaks %s\n\n", version, cmd.File, p.world.speaks())
	urls, _ := p.urls()
	for _, u := range urls {
		fmt.Fprintf(w, "    %s\n", u)
	}
	if p.conf.Load().Sites[0].Module == nil {
		fmt.Fprintf(w, "      -> the filter -> %s\n", cmp.Or(strings.Join(cmd.To, ", "), "200"))
	}
	p.trustHint(w)
	fmt.Fprintf(w, "\n  It is swapped when its file changes. Stop with Ctrl-C.\n\n")
}
