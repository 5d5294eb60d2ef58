package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
)

type explainCmd struct {
	configFlag
	URL    string   `arg:"" help:"URL as a client would ask for it."`
	Method string   `short:"X" default:"GET" help:"Method."`
	Header []string `short:"H" placeholder:"'NAME: VALUE'" help:"Header field to send." sep:"none"`
}

// Run builds the configuration as a start would, opens no socket, asks it the one
// request, and says which line of the configuration decided what.
func (cmd *explainCmd) Run(a *app) error {
	c, err := cmd.load(a)
	if err != nil {
		return err
	}
	w := dryWorld()
	defer w.close()
	w.told = new(told)
	snap, err := w.build(c)
	if err != nil {
		return err
	}
	defer snap.Discard()
	u, err := url.Parse(cmd.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("explain %q: want a URL such as https://localhost:8443/docs", cmd.URL)
	}
	r, err := cmd.request(u)
	if err != nil {
		return fmt.Errorf("%s: answered with 400 before any site is looked for: %w", cmd.URL, err)
	}
	e := explanation{out: a.stdout, c: c, snap: snap, r: r, told: w.told, colour: isTerminal(a.stdout)}
	e.print(u)
	return nil
}

// request makes the exchange that a client's request would become.
func (cmd *explainCmd) request(u *url.URL) (*exchange.Request, error) {
	client := netip.MustParseAddrPort("127.0.0.1:50000")
	conn := &exchange.Conn{Client: client, Direct: client, Local: client}
	if u.Scheme == "https" {
		conn.TLS = &exchange.TLS{Version: tls.VersionTLS13, ServerName: strings.ToLower(u.Hostname()), ALPN: "h2"}
	}
	r := new(exchange.Request)
	r.Reset(conn, nowhere{})
	r.Method, r.Scheme, r.Proto = cmd.Method, u.Scheme, exchange.HTTP2
	if err := r.SetAuthority(u.Host); err != nil {
		return nil, err
	}
	for _, h := range cmd.Header {
		name, value, _ := strings.Cut(h, ":")
		if err := r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	// A client that asks for another protocol so speaks HTTP/1.1.
	if to := r.Header.Get("upgrade"); to != "" {
		r.Proto, r.Upgrade = exchange.HTTP11, strings.ToLower(to)
	}
	// The path as it was typed: EscapedPath would mend what is to be explained.
	target := strings.TrimPrefix(cmd.URL, u.Scheme+"://")
	if i := strings.IndexAny(target, "/?#"); i >= 0 {
		target = target[i:]
	} else {
		target = "/"
	}
	if target, _, _ = strings.Cut(target, "#"); !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return r, r.SetTarget(target)
}

// nowhere is a stream that nobody listens to.
type nowhere struct{}

func (nowhere) Context() context.Context           { return context.Background() }
func (nowhere) Watch(exchange.Interrupter)         {}
func (nowhere) Inform(int, *exchange.Header) error { return nil }
func (nowhere) Respond(*exchange.Request, *exchange.Response) error {
	return errors.New("explain sends nothing")
}

type explanation struct {
	out    io.Writer
	c      *config.Config
	snap   *edge.Snapshot
	r      *exchange.Request
	told   *told
	colour bool
}

// line prints one fact, and where it was decided.
func (e *explanation) line(what, fact, where string) {
	if e.colour {
		what, where = "\x1b[2m"+fmt.Sprintf("%-9s", what)+"\x1b[0m", "\x1b[36m"+where+"\x1b[0m"
	}
	fmt.Fprintln(e.out, strings.TrimRight(fmt.Sprintf("  %-9s %-50s %s", what, fact, where), " "))
}

func (e *explanation) print(u *url.URL) {
	fmt.Fprintf(e.out, "%s %s\n", e.r.Method, u)
	e.listener(u)
	e.line("path", e.r.Path, "")
	site, rule, where := e.find()
	if site != nil {
		e.line("site", site.Hosts[0].Name, site.Pos.String())
		e.line("tls", tlsOf(e.c, site, e.r.Host, u.Scheme), site.TLS.Pos.String())
	}
	rt, allow, err := e.snap.Find(e.r)
	switch {
	case allow != "":
		e.line("route", "none takes "+e.r.Method+", only "+allow, "")
	case e.r.Record.Route == "":
		e.line("route", "none", "")
	default:
		e.line("route", e.r.Record.Route, where)
		for _, p := range e.r.Match.Params {
			e.line("", "{"+p.Name+"} = "+p.Value, "")
		}
	}
	if err == nil && rule != nil && !(rt.Plain != nil && u.Scheme == "http") {
		e.action(site, rule)
	}
	e.answer(rt, rule, err)
}

func (e *explanation) listener(u *url.URL) {
	list, kind := e.c.Listen.HTTP, "HTTP/1.1"
	if u.Scheme == "https" {
		list, kind = e.c.Listen.HTTPS, "TLS, HTTP/1.1, HTTP/2"
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	for i := range list {
		if _, p, ok := cutPort(list[i].Address); ok && p == port {
			if list[i].HTTP3 && u.Scheme == "https" {
				kind += ", HTTP/3"
			}
			e.line("listener", list[i].Address+"  "+kind, list[i].Pos.String())
			return
		}
	}
	e.line("listener", "none on port "+port+" for "+u.Scheme, e.c.Listen.Pos.String())
}

// find returns the site and rule that the table would lead to, as they were written.
func (e *explanation) find() (*config.Site, *config.Rule, string) {
	found := e.snap.Routes.Site(e.r.Host)
	if found == nil {
		return nil, nil, ""
	}
	probe := new(exchange.Request)
	*probe = exchange.Request{Method: e.r.Method, Host: e.r.Host, Path: e.r.Path, Query: e.r.Query, Header: e.r.Header, Conn: e.r.Conn}
	rt, _, _ := e.snap.Find(probe)
	for _, s := range e.c.Sites {
		for _, h := range s.Hosts {
			if h.Name != found.Name() {
				continue
			}
			if rt == nil {
				return s, nil, ""
			}
			for _, r := range s.Routes {
				if r.Pos.String() == rt.Origin {
					return s, &r.Rule, rt.Origin
				}
			}
			return s, &s.Rule, rt.Origin
		}
	}
	return nil, nil, ""
}

// tlsOf says where a name has its certificate from.
func tlsOf(c *config.Config, s *config.Site, host, scheme string) string {
	if scheme == "http" {
		if s.TLS.Mode != "off" && s.HTTP == "redirect" {
			return "none; plain HTTP is sent to HTTPS"
		}
		return "none"
	}
	text := certificateOf(c, s, host)
	if a := s.TLS.ClientAuth; a != nil {
		text += ", client certificate: " + a.Mode
	}
	return text
}

// filters are those of plugins, outermost first.
func (e *explanation) filters(site *config.Site, r *config.Rule) [][]config.PluginUse {
	all := [][]config.PluginUse{e.c.Filters, site.Filters}
	if r != &site.Rule {
		all = append(all, r.Filters)
	}
	return all
}

func nameOfUse(u *config.PluginUse) string { return cmp.Or(u.Name.Text, u.Plugin.Wasm) }

func (e *explanation) action(site *config.Site, r *config.Rule) {
	if r.Rewrite != nil {
		e.line("rewrite", r.Rewrite.Path, r.Rewrite.Pos.String())
	}
	for _, list := range e.filters(site, r) {
		for i := range list {
			e.line("filter", nameOfUse(&list[i]), list[i].Pos.String())
		}
	}
	switch {
	case r.Module != nil:
		e.line("answers", "the module "+nameOfUse(r.Module), r.Module.Pos.String())
	case r.Root != nil:
		e.line("answers", "files below "+r.Root.Dir, r.Root.Pos.String())
		if g := r.Root.CGI; g != nil {
			for _, dir := range g.Dirs {
				e.line("", "programs below "+dir.Text, dir.Pos.String())
			}
		}
	case r.Proxy != nil:
		e.line("answers", "an upstream", r.Proxy.Pos.String())
		if m := r.Proxy.Mirror; m != nil {
			to := cmp.Or(m.Upstream.Text, poolName(m.To))
			e.line("mirror", fmt.Sprintf("%v%% of requests to %s", m.Percent, to), m.Pos.String())
		}
	case r.Redirect != nil:
		e.line("answers", "redirect to "+r.Redirect.To, r.Redirect.Pos.String())
	case r.Respond != nil:
		e.line("answers", "a fixed reply", r.Respond.Pos.String())
	}
}

// because is the reason that err has beyond its status.
func because(err error, status int, rule *config.Rule) string {
	if errors.Is(err, exchange.ErrNotFound) && rule != nil && rule.Root != nil {
		return "there is no such file, or it is hidden"
	}
	phrase := strconv.Itoa(status) + " " + http.StatusText(status)
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), phrase), ": ")
}

// answer asks the handler and prints the head of what it says.
func (e *explanation) answer(rt *edge.Route, rule *config.Rule, err error) {
	status, resp := edge.StatusOf(err), (*exchange.Response)(nil)
	if err == nil {
		if resp, err = rt.Answer(e.r); err != nil {
			status = edge.StatusOf(err)
		} else {
			defer resp.Body.Close()
			status = resp.Status
		}
	}
	if e.told.cache != "" {
		e.line("cache", e.told.cache, "")
	}
	if errors.Is(err, errTold) {
		e.passed(e.told)
		return
	}
	if errors.Is(err, errGuest) {
		fmt.Fprintf(e.out, "\n  Who explains runs no guest: what the module would answer is not known.\n")
		return
	}
	fmt.Fprintln(e.out)
	fmt.Fprintf(e.out, "  %d %s\n", status, http.StatusText(status))
	if err != nil {
		if why := because(err, status, rule); why != "" {
			fmt.Fprintf(e.out, "  because: %s\n", why)
		}
		return
	}
	for name, value := range resp.Header.All() {
		fmt.Fprintf(e.out, "  %s: %s\n", name, value)
	}
	if n := resp.Body.Len(); n > 0 {
		fmt.Fprintf(e.out, "  (%d bytes)\n", n)
	}
}
