package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// The commands of this file read a configuration, or ask a running weir, and print.

type checkCmd struct {
	configFlag
	File string `arg:"" optional:"" help:"Configuration file, instead of -c."`
}

// Run loads and builds, opens no socket, and closes what it built.
func (cmd *checkCmd) Run(a *app) error {
	if cmd.File != "" {
		cmd.Config = cmd.File
	}
	c, err := cmd.load(a)
	if err != nil {
		return err
	}
	w := dryWorld()
	defer w.close()
	snap, err := w.build(c)
	if err != nil {
		return err
	}
	snap.Discard()
	if len(c.Warnings) > 0 {
		fmt.Fprintln(a.stderr, c.Warnings.Warnings(isTerminal(a.stderr)))
	}
	routes := 0
	for _, s := range c.Sites {
		routes += len(s.Routes)
	}
	fmt.Fprintf(a.stdout, "%s is fine: %s, %s\n", c.File, count(len(c.Sites), "site"), count(routes, "route"))
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

type fmtCmd struct {
	configFlag
	File  string `arg:"" optional:"" help:"Configuration file, instead of -c; - reads standard input."`
	Write bool   `short:"w" help:"Write the file instead of printing."`
	Diff  bool   `short:"d" help:"Print what would change; exit code 1 if anything would."`
}

func (cmd *fmtCmd) Run(a *app) error {
	name, src, err := cmd.read(a.stdin)
	if err != nil {
		return err
	}
	out, err := config.Format(name, src)
	if err != nil {
		return err
	}
	switch {
	case cmd.Diff:
		if bytes.Equal(src, out) {
			return nil
		}
		fmt.Fprint(a.stdout, diff(name, string(src), string(out)))
		return exitError(exitFailed)
	case cmd.Write && name != "-":
		if bytes.Equal(src, out) {
			return nil
		}
		return replaceFile(name, out)
	}
	_, err = a.stdout.Write(out)
	return err
}

func (cmd *fmtCmd) read(stdin io.Reader) (name string, src []byte, err error) {
	if cmd.File == "-" {
		src, err = io.ReadAll(io.LimitReader(stdin, maxStdin))
		return "-", src, err
	}
	if cmd.File != "" {
		cmd.Config = cmd.File
	}
	if name, err = cmd.path(); err != nil {
		return "", nil, err
	}
	src, err = os.ReadFile(name)
	return name, src, err
}

// replaceFile writes beside the file and renames, so that a reader, or a crash,
// never meets half of it.
func replaceFile(name string, content []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp := name + ".weir-tmp"
	if err := os.WriteFile(tmp, content, info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

type configCmd struct {
	adminFlag
	Running bool `help:"Print what the running weir serves, not what the file says."`
}

func (cmd *configCmd) Run(a *app) error {
	if cmd.Running {
		return cmd.ask(a, "GET", "/config")
	}
	c, err := cmd.load(a)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(config.Normal(c))
	return err
}

type schemaCmd struct{}

func (*schemaCmd) Run(a *app) error {
	_, err := a.stdout.Write(config.Schema())
	return err
}

// defaultAdmin is where a weir without another word in its configuration answers.
const defaultAdmin = "127.0.0.1:9180"

// adminFlag is how commands find the running weir.
type adminFlag struct {
	configFlag
	Admin string `placeholder:"ADDRESS" env:"WEIR_ADMIN" help:"Its admin address, instead of the configuration's."`
}

func (f adminFlag) client(a *app) (adminClient, error) {
	if f.Admin != "" {
		return adminClient{f.Admin}, nil
	}
	if _, err := f.path(); err != nil && f.Config == "" {
		return adminClient{defaultAdmin}, nil
	}
	c, err := f.load(a)
	if err != nil {
		return adminClient{}, fmt.Errorf("find the admin address: %w; or name it with --admin", err)
	}
	return adminClient{c.Admin.Address}, nil
}

func (f adminFlag) ask(a *app, method, path string) error {
	client, err := f.client(a)
	if err != nil {
		return err
	}
	text, err := client.do(method, path)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}

type reloadCmd struct {
	adminFlag
}

func (cmd *reloadCmd) Run(a *app) error { return cmd.ask(a, "POST", "/reload") }

type stopCmd struct{ adminFlag }

func (cmd *stopCmd) Run(a *app) error { return cmd.ask(a, "POST", "/stop") }

type healthcheckCmd struct {
	adminFlag
	Certificates bool `help:"Also say no while a name of a site has no certificate that is in date (GET /ready?certificates=1)."`
}

func (cmd *healthcheckCmd) Run(a *app) error {
	if cmd.Certificates {
		return cmd.ask(a, "GET", "/ready?certificates=1")
	}
	return cmd.ask(a, "GET", "/ready")
}

type versionCmd struct{}

func (*versionCmd) Run(a *app) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && !strings.Contains(version, s.Value[:7]) {
				revision = " (" + s.Value[:12] + ")"
			}
		}
	}
	_, err := fmt.Fprintf(a.stdout, "weir %s%s, %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
