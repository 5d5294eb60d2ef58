package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/weirproxy/weir/cmd/weir/config"
)

type serveCmd struct {
	Args []string `arg:"" optional:"" name:"dir|port" help:"Directory (default: this one) and port (default: 8000), in any order."`

	Bind      string   `short:"b" placeholder:"ADDRESS" help:"Address to listen on. Default: localhost only."`
	Public    bool     `help:"Listen on all addresses of this machine."`
	Directory string   `short:"d" placeholder:"DIR" help:"Directory, as an option."`
	Protocol  string   `short:"p" placeholder:"VERSION" help:"Taken for compatibility; HTTP/1.1 and 2 are always on." hidden:""`
	Browse    bool     `default:"true" negatable:"" help:"List directories (on; --no-browse turns it off)."`
	SPA       bool     `name:"spa" help:"Answer unknown paths with /index.html."`
	Domain    []string `placeholder:"NAME" help:"HTTPS for this public name on all addresses, ports 443 and 80, with a certificate of a public authority."`
	publicFlags
	TLS      bool     `name:"tls" help:"HTTPS with a certificate of the internal CA (see: weir trust)."`
	Cert     string   `name:"tls-cert" placeholder:"FILE" help:"HTTPS with this certificate chain."`
	Key      string   `name:"tls-key" placeholder:"FILE" help:"Its key; default: in the same file."`
	Password string   `name:"tls-password-file" placeholder:"FILE" help:"Refused: keys with a password are not supported." hidden:""`
	CGI      bool     `name:"cgi" help:"Run the .wasm files below /cgi-bin and /htbin as CGI programs."`
	Header   []string `short:"H" placeholder:"'NAME: VALUE'" help:"Header field to add to every response." sep:"none"`
	NoCache  bool     `help:"Tell clients to ask again every time."`
	Log      string   `default:"console" enum:"console,json,combined,clf,off" help:"Access log: console, json, combined, clf or off."`
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
	c, err := load()
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if cmd.CGI {
		level = slog.LevelInfo // what programs print is for whoever tries them
	}
	log := slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !a.colour}))
	p, err := start(log, c, load)
	if err != nil {
		return plain(err)
	}
	cmd.welcome(a.stderr, p)
	return p.main(nil)
}

// usualPort is python's, and so what serve is expected to take.
const usualPort = 8000

// configuration writes down what the options mean, so that serve has no way of its
// own to serve anything.
func (cmd *serveCmd) configuration() (string, error) {
	dir, port := cmd.Directory, usualPort
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
	case cmd.Password != "":
		return "", fmt.Errorf("--tls-password-file: keys with a password are not supported; decrypt it: openssl pkey -in key.pem -out plain.pem")
	case cmd.Key != "" && cmd.Cert == "":
		return "", fmt.Errorf("--tls-key needs --tls-cert")
	case len(cmd.Domain) > 0 && (cmd.TLS || cmd.Cert != ""):
		return "", fmt.Errorf("--domain and --tls or --tls-cert: take one")
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
	listen, site := kind+": "+quote(cmd.address(port)), "default:\n    hosts: [localhost]"
	if len(cmd.Domain) > 0 {
		listen, site, tls = cmd.publicListen(port), cmd.publicSite(), "auto"
	}
	fmt.Fprintf(&b, "listen: {%s}\nadmin: off\nlog: %s\n%s", listen, cmd.Log, cmd.acme())
	fmt.Fprintf(&b, "sites:\n  %s\n    tls: %s\n    root: %s\n    browse: %v\n    spa: %v\n", site, tls, quote(dir), cmd.Browse, cmd.SPA)
	if cmd.CGI {
		b.WriteString("    cgi: [/cgi-bin, /htbin]\n")
	}
	if cmd.NoCache {
		b.WriteString("    cache_control: none\n")
	}
	err := addHeaders(&b, cmd.Header)
	return b.String(), err
}

// addHeaders writes the fields of --header into the site that b ends with.
func addHeaders(b *strings.Builder, fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	b.WriteString("    headers: {response: {set: {")
	for _, h := range fields {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return fmt.Errorf("--header %q: want 'Name: value'", h)
		}
		fmt.Fprintf(b, "%s: %s, ", quote(strings.TrimSpace(name)), quote(strings.TrimSpace(value)))
	}
	b.WriteString("}}}\n")
	return nil
}

func (cmd *serveCmd) address(port int) string {
	host := cmd.Bind
	switch {
	case cmd.Public, len(cmd.Domain) > 0 && host == "":
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
	c := p.conf.Load()
	site := c.Sites[0]
	dir := "."
	if site.Root != nil {
		dir = site.Root.Dir
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	name := "default"
	if cmd.Bind == "" {
		name = "localhost"
	}
	fmt.Fprintf(w, "\n  weir %s serves %s\n\n", version, dir)
	if len(cmd.Domain) > 0 {
		urls, _ := p.urls()
		for _, u := range urls {
			fmt.Fprintf(w, "    %s/\n", u)
		}
		p.publicHint(w)
		fmt.Fprintf(w, "\n  Stop with Ctrl-C.\n\n")
		return
	}
	secure := len(c.Listen.HTTPS) > 0
	for _, addr := range p.server.Addrs() {
		fmt.Fprintf(w, "    %s/\n", urlOf(secure, name, addr))
		if cmd.Public {
			for _, ip := range ownAddresses() {
				fmt.Fprintf(w, "    %s/\n", urlOf(secure, ip, addr))
			}
		}
	}
	p.trustHint(w)
	fmt.Fprintf(w, "\n  Stop with Ctrl-C.\n\n")
}

// trustHint says how to trust the internal CA, if it is in use.
func (p *process) trustHint(w io.Writer) {
	if ca := p.world.certs.internal; ca != nil {
		fmt.Fprintf(w, "\n  The certificate is weir's own. To trust it: weir trust\n  (or: curl --cacert %s)\n", ca.RootPath())
	}
}

// plain takes the places away from mistakes: they are those of a text that the user
// never wrote.
func plain(err error) error {
	mistakes, ok := errors.AsType[config.Errors](err)
	if !ok {
		return err
	}
	all := make([]error, len(mistakes))
	for i, m := range mistakes {
		all[i] = errors.New(m.Message)
		if m.Hint != "" {
			all[i] = errors.New(m.Message + "; " + m.Hint)
		}
	}
	return errors.Join(all...)
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
