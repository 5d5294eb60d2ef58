package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lmittmann/tint"

	"github.com/weirproxy/weir/cmd/weir/config"
)

type proxyCmd struct {
	Targets []string `arg:"" optional:"" name:"to" help:"Where to pass requests on to, as with --to."`

	From       string   `short:"f" default:"localhost:8443" placeholder:"ADDRESS" help:"Where to listen: localhost:8443 (HTTPS), :8080 (plain HTTP), example.com or app.lan (ports 443 and 80), http://example.com. Default: localhost:8443."`
	To         []string `short:"t" placeholder:"URL" sep:"none" help:"Where to pass requests on to: 9000, 10.0.0.1:9000, https://name, h2://, h2c://, h3://, unix:/path. Several share the requests."`
	ChangeHost bool     `help:"Ask the upstream for its own name, not for the one that the client asked for."`
	Insecure   bool     `help:"Do not verify the upstream's certificate."`
	Cache      bool     `help:"Keep responses that may be kept, in memory."`
	Header     []string `short:"H" placeholder:"'NAME: VALUE'" help:"Header field to add to every response." sep:"none"`
	publicFlags
	AccessLog bool `help:"Print a line for every request, not only for those that failed."`
}

// Help is what `weir proxy --help` adds.
func (*proxyCmd) Help() string {
	return `It does what a configuration with "proxy:" does; see weir run.

  weir proxy 9000        https://localhost:8443 to a program on port 9000
  weir proxy --from example.com 9000
                         https://example.com with a certificate of Let's Encrypt
  weir proxy --from :8080 --to https://example.com --change-host`
}

func (cmd *proxyCmd) Run(a *app) error {
	text, err := cmd.configuration()
	if err != nil {
		fmt.Fprintln(a.stderr, "weir proxy:", err)
		return exitError(exitUsage)
	}
	load := func() (*config.Config, error) {
		return config.Parse("weir proxy", []byte(text), config.Options{Dir: "."})
	}
	log := slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: slog.LevelWarn, TimeFormat: "15:04:05", NoColor: !a.colour}))
	c, err := load()
	if err != nil {
		return plain(err)
	}
	p, err := start(log, c, load)
	if err != nil {
		return plain(err)
	}
	cmd.welcome(a.stderr, p)
	return p.main(nil)
}

// configuration writes down what the options mean, as serve does.
func (cmd *proxyCmd) configuration() (string, error) {
	to := append(cmd.To[:len(cmd.To):len(cmd.To)], cmd.Targets...)
	if len(to) == 0 {
		return "", errors.New("to where? Try: weir proxy 9000, or --to https://example.com")
	}
	from, err := parseFrom(cmd.From)
	if err != nil {
		return "", err
	}
	for i := range to {
		to[i] = quote(to[i])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {%s}\nadmin: off\nlog: {format: console, requests: %s}\n", from.listen(), map[bool]string{true: "all", false: "failed"}[cmd.AccessLog])
	b.WriteString(cmd.acme())
	fmt.Fprintf(&b, "sites:\n  %s:\n    tls: %s\n    proxy:\n      to: [%s]\n", quote(from.site()), from.tls(), strings.Join(to, ", "))
	if cmd.ChangeHost {
		b.WriteString("      host: upstream\n")
	}
	if cmd.Insecure {
		b.WriteString("      tls: {insecure: true}\n")
	}
	if cmd.Cache {
		b.WriteString("    cache: true\n")
	}
	err = addHeaders(&b, cmd.Header)
	return b.String(), err
}

// from is where weir proxy listens.
type from struct {
	host, port string // either may be empty
	secure     bool
}

// parseFrom reads "localhost:8443", "example.com", ":8080", "http://name:8080". A
// name means HTTPS, an address or a port alone plain HTTP, unless the scheme is given.
func parseFrom(s string) (from, error) {
	scheme, rest, given := strings.Cut(s, "://")
	if !given {
		rest = s
	}
	f := from{host: strings.TrimSuffix(rest, "/")}
	if i := strings.LastIndexByte(f.host, ':'); i >= 0 && !strings.HasSuffix(f.host, "]") {
		f.host, f.port = f.host[:i], f.host[i+1:]
	}
	if _, err := strconv.ParseUint(f.port, 10, 16); err != nil && f.port != "" || strings.HasSuffix(rest, ":") {
		return f, fmt.Errorf("--from %s: want localhost:8443, example.com or :8080", s)
	}
	f.host = strings.Trim(f.host, "[]")
	_, notAddress := netip.ParseAddr(f.host)
	switch {
	case given && scheme != "http" && scheme != "https":
		return f, fmt.Errorf("--from %s: want http:// or https://", s)
	case strings.ContainsAny(f.host, "/?#@ ") || f.host == "" && f.port == "":
		return f, fmt.Errorf("--from %s: want localhost:8443, example.com or :8080", s)
	}
	f.secure = scheme == "https" || !given && f.host != "" && notAddress != nil
	return f, nil
}

// listen is what the configuration says of it: on this machine only where the name
// means this machine.
func (f from) listen() string {
	host := ""
	if _, err := netip.ParseAddr(f.host); err == nil || f.host == "localhost" {
		host = f.host
	}
	at := func(port string) string { return quote(net.JoinHostPort(host, cmp.Or(f.port, port))) }
	switch {
	case !f.secure:
		return "http: " + at("80")
	case f.port == "":
		return "http: " + at("80") + ", https: " + at("443")
	}
	return "https: " + at("")
}

// site is the name of the site. Whoever comes by an address may call weir anything.
func (f from) site() string {
	if _, err := netip.ParseAddr(f.host); err == nil || f.host == "" {
		return "default"
	}
	return f.host
}

func (f from) tls() string {
	if f.secure {
		return "auto"
	}
	return "off"
}

func (cmd *proxyCmd) welcome(w io.Writer, p *process) {
	c := p.conf.Load()
	fmt.Fprintf(w, "\n  weir %s passes requests on\n\n", version)
	urls, _ := p.urls()
	for _, u := range urls {
		fmt.Fprintf(w, "    %s\n", u)
	}
	for _, e := range c.Sites[0].Proxy.Pool.To {
		fmt.Fprintf(w, "      -> %s\n", e.URL)
	}
	p.trustHint(w)
	p.publicHint(w)
	fmt.Fprintf(w, "\n  Stop with Ctrl-C.\n\n")
}
