package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/weirproxy/weir/cmd/weir/config"
)

type runCmd struct {
	configFlag
	Watch bool `short:"w" help:"Reload when the configuration changes."`
}

func (cmd *runCmd) Run(a *app) error {
	path, err := cmd.path()
	if err != nil {
		return err
	}
	load := func() (*config.Config, error) { return config.Load(path, os.LookupEnv) }
	c, err := load()
	if err != nil {
		return err
	}
	log := a.logger(c.Log.Level)
	p, err := start(log, load)
	if err != nil {
		return err
	}
	a.announce(p)
	var changed <-chan struct{}
	if cmd.Watch {
		w, err := watch(path, log)
		if err != nil {
			p.log.Error("not watching", "config", path, "err", err)
		} else {
			defer w.close()
			changed = w.changed
		}
	}
	return p.main(changed)
}

// logger makes the program's own log: lines for people on a terminal, JSON otherwise.
func (a *app) logger(level string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	if a.colour {
		return slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: l, TimeFormat: time.TimeOnly}))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: l}))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// announce says at start what is served where.
func (a *app) announce(p *process) {
	p.log.Info("weir "+version, "config", p.conf.File, "sites", len(p.conf.Sites), "admin", p.conf.Admin.Address, "collector", p.collector)
	for _, u := range p.urls() {
		p.log.Info("serving " + u)
	}
	if ca := p.world.certs.internal; ca != nil {
		p.log.Info("certificates of localhost and private names are weir's own; to trust them: weir trust", "root", ca.RootPath())
	}
}

// urls are the addresses that a person may click on: every listener with every
// name of the sites, as long as that is a few.
func (p *process) urls() (all []string) {
	const few = 12
	addrs := p.server.Addrs()
	for i, a := range addrs {
		secure := i >= len(p.conf.Listen.HTTP)
		for _, s := range p.conf.Sites {
			if !s.Enabled || secure && s.TLS.Mode == "off" {
				continue
			}
			for _, h := range s.Hosts {
				if len(all) == few {
					return append(all, "and more")
				}
				all = append(all, urlOf(secure, h.Name, a))
			}
		}
	}
	return all
}

func urlOf(secure bool, host string, a net.Addr) string {
	scheme, usual := "http", 80
	if secure {
		scheme, usual = "https", 443
	}
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return scheme + " on " + a.String()
	}
	if host == "default" {
		host = t.IP.String()
		if t.IP.IsUnspecified() {
			host = "localhost"
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.Port == usual {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + strconv.Itoa(t.Port)
}

type serveCmd struct {
	Args []string `arg:"" optional:"" name:"dir|port" help:"Directory (default: this one) and port (default: 8000), in any order."`

	Bind      string   `short:"b" placeholder:"ADDRESS" help:"Address to listen on. Default: localhost only."`
	Public    bool     `help:"Listen on every address of this machine."`
	Directory string   `short:"d" placeholder:"DIR" help:"Directory, as an option."`
	Protocol  string   `short:"p" placeholder:"VERSION" help:"Taken for compatibility; HTTP/1.1 and 2 are always on." hidden:""`
	Browse    bool     `default:"true" negatable:"" help:"List directories (on; --no-browse turns it off)."`
	SPA       bool     `name:"spa" help:"Answer unknown paths with /index.html."`
	TLS       bool     `name:"tls" help:"HTTPS with a certificate of the internal CA (see: weir trust)."`
	Cert      string   `name:"tls-cert" placeholder:"FILE" help:"HTTPS with this certificate chain."`
	Key       string   `name:"tls-key" placeholder:"FILE" help:"Its key; default: in the same file."`
	Password  string   `name:"tls-password-file" placeholder:"FILE" help:"Refused: keys with a password are not supported." hidden:""`
	CGI       bool     `name:"cgi" help:"Refused: CGI in wasm comes with a later version." hidden:""`
	Header    []string `short:"H" placeholder:"'NAME: VALUE'" help:"Header field to add to every response." sep:"none"`
	NoCache   bool     `help:"Tell clients to ask again every time."`
	Log       string   `default:"console" enum:"console,json,combined,clf,off" help:"Access log: console, json, combined, clf or off."`
}

func (cmd *serveCmd) Run(a *app) error {
	text, err := cmd.configuration()
	if err != nil {
		fmt.Fprintln(a.stderr, "weir serve:", err)
		return exitError(exitUsage)
	}
	load := func() (*config.Config, error) {
		return config.Parse("weir serve", []byte(text), config.Options{Dir: "."})
	}
	log := slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: slog.LevelWarn, TimeFormat: time.TimeOnly, NoColor: !a.colour}))
	p, err := start(log, load)
	if err != nil {
		return err
	}
	cmd.welcome(a.stderr, p)
	return p.main(nil)
}

// configuration writes down what the options mean, so that serve has no way of its
// own to serve anything.
func (cmd *serveCmd) configuration() (string, error) {
	dir, port := cmd.Directory, 8000
	for _, arg := range cmd.Args {
		if n, err := strconv.Atoi(arg); err == nil && n >= 0 && n < 1<<16 {
			port = n
		} else if dir == "" || dir == arg {
			dir = arg
		} else {
			return "", fmt.Errorf("two directories: %s and %s", dir, arg)
		}
	}
	switch {
	case cmd.CGI:
		return "", fmt.Errorf("--cgi: CGI programs in wasm come with a later version of weir")
	case cmd.Password != "":
		return "", fmt.Errorf("--tls-password-file: keys with a password are not supported; decrypt it: openssl pkey -in key.pem -out plain.pem")
	case cmd.Key != "" && cmd.Cert == "":
		return "", fmt.Errorf("--tls-key needs --tls-cert")
	case cmd.Public && cmd.Bind != "":
		return "", fmt.Errorf("--public and --bind: take one")
	}
	if dir == "" {
		dir = "."
	}
	var b strings.Builder
	kind, tls := "http", "off"
	if cmd.Cert != "" {
		key := cmd.Key
		if key == "" {
			key = cmd.Cert
		}
		kind, tls = "https", fmt.Sprintf("{cert: %s, key: %s}", quote(cmd.Cert), quote(key))
	} else if cmd.TLS {
		kind, tls = "https", "internal"
	}
	fmt.Fprintf(&b, "listen: {%s: %s}\nadmin: off\nlog: %s\n", kind, quote(cmd.address(port)), cmd.Log)
	fmt.Fprintf(&b, "sites:\n  default:\n    hosts: [localhost]\n    tls: %s\n    root: %s\n    browse: %v\n    spa: %v\n", tls, quote(dir), cmd.Browse, cmd.SPA)
	if cmd.NoCache {
		b.WriteString("    cache_control: none\n")
	}
	if len(cmd.Header) > 0 {
		b.WriteString("    headers: {response: {set: {")
		for _, h := range cmd.Header {
			name, value, ok := strings.Cut(h, ":")
			if !ok {
				return "", fmt.Errorf("--header %q: want 'Name: value'", h)
			}
			fmt.Fprintf(&b, "%s: %s, ", quote(strings.TrimSpace(name)), quote(strings.TrimSpace(value)))
		}
		b.WriteString("}}}\n")
	}
	return b.String(), nil
}

func (cmd *serveCmd) address(port int) string {
	host := cmd.Bind
	switch {
	case cmd.Public:
		host = ""
	case host == "":
		host = "localhost"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// quote makes a YAML scalar of any text. Dollar signs would start a variable.
func quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "'", "''"), "${", "$${") + "'"
}

// welcome prints what to click on.
func (cmd *serveCmd) welcome(w io.Writer, p *process) {
	site := p.conf.Sites[0]
	dir := "."
	if site.Root != nil {
		dir = site.Root.Dir
	}
	if abs, err := os.Getwd(); err == nil && dir == "." {
		dir = abs
	}
	fmt.Fprintf(w, "\n  weir %s serves %s\n\n", version, dir)
	secure := len(p.conf.Listen.HTTPS) > 0
	for _, addr := range p.server.Addrs() {
		fmt.Fprintf(w, "    %s/\n", urlOf(secure, "default", addr))
		if cmd.Public {
			for _, ip := range ownAddresses() {
				fmt.Fprintf(w, "    %s/\n", urlOf(secure, ip, addr))
			}
		}
	}
	if ca := p.world.certs.internal; ca != nil {
		fmt.Fprintf(w, "\n  The certificate is weir's own. To trust it: weir trust\n  (or: curl --cacert %s)\n", ca.RootPath())
	}
	fmt.Fprintf(w, "\n  Stop with Ctrl-C.\n\n")
}

// ownAddresses are the addresses under which others on the network reach us.
func ownAddresses() (all []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && !n.IP.IsLoopback() {
			all = append(all, n.IP.String())
		}
	}
	return all
}
