package main

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/route"
)

// builder turns one configuration into one snapshot. It collects what is wrong,
// so that a check reports everything at once.
type builder struct {
	ctx     context.Context // ends when nobody wants the snapshot any longer
	world   *world
	c       *config.Config
	errs    config.Errors
	closers []func()
	rules   []route.Rule[*edge.Route]

	unrouted map[string]*edge.Route // of sites without an action of their own

	files   map[string]exchange.Handler // by their settings
	issuers map[*config.Issuer]builtIssuer
	inPlan  map[string]bool      // keys of issuers and policies that are used
	pools   map[string]builtPool // of upstreams, by name

	plugins builtPlugins
}

// fail notes a mistake at the first position that was written.
func (b *builder) fail(at, otherwise config.Pos, err error) {
	if at.Line == 0 {
		at = otherwise
	}
	b.failWith(at, err.Error(), hintFor(err))
}

func (b *builder) failWith(at config.Pos, message, hint string) {
	b.errs = append(b.errs, &config.Error{Pos: at, Message: message, Hint: hint})
}

// build makes the snapshot of c. When anything is wrong it closes what it opened
// and returns every mistake, in the order of the file.
func (w *world) build(c *config.Config) (*edge.Snapshot, error) {
	return w.buildUntil(context.Background(), c)
}

// buildUntil is build, which fails soon after ctx has ended.
func (w *world) buildUntil(ctx context.Context, c *config.Config) (*edge.Snapshot, error) {
	b := &builder{ctx: ctx, world: w, c: c, files: map[string]exchange.Handler{}, pools: map[string]builtPool{}, unrouted: map[string]*edge.Route{}, issuers: map[*config.Issuer]builtIssuer{}, inPlan: map[string]bool{}}
	b.plugins = newBuiltPlugins()
	if w.builds++; w.builds == 1 {
		w.data, _ = dataDir(c) // whoever cannot do without it says so
		w.first = &config.Config{File: c.File, Dir: c.Dir, Data: c.Data, Store: c.Store}
	}
	b.openPlugins()
	w.modules = b.plugins.read
	snap := b.snapshot()
	if ctx.Err() != nil {
		b.fail(config.Pos{File: c.File}, config.Pos{}, context.Cause(ctx))
	}
	if len(b.errs) == 0 {
		return snap, nil
	}
	for _, f := range b.closers {
		f()
	}
	// For excerpts the file is read once more: to keep it would cost its size for
	// as long as the configuration is served.
	src, err := os.ReadFile(c.File)
	if err != nil {
		src = nil
	}
	return nil, config.Mistakes(string(src), b.errs...)
}

func (b *builder) snapshot() *edge.Snapshot {
	snap := &edge.Snapshot{
		Listeners:            b.listeners(),
		Observers:            []exchange.Observer{b.world.metrics},
		ServerField:          b.c.ServerHeader,
		Connections:          b.c.Limits.Connections,
		ConnectionsPerClient: b.c.Limits.ConnectionsPerIP,
		Log:                  b.log(&b.c.Log),
		Errors:               b.errorPages(b.c.Errors),
	}
	b.trust(snap)
	for _, s := range b.c.Sites {
		if s.Enabled {
			b.site(s)
		}
	}
	table, err := route.Compile(b.rules)
	if err != nil {
		b.conflicts(err)
	}
	snap.Routes, snap.Unrouted = table, b.unrouted
	if err := b.world.certs.open(b.c); err != nil {
		b.fail(b.c.Store.Pos, b.c.Pos, err)
	} else if len(b.c.Listen.HTTPS) > 0 {
		snap.TLS = b.secured(table).choose
	}
	if a := b.world.certs.answers; a != nil {
		snap.Challenge = a.HTTP
	}
	snap.Closers = b.closers
	return snap
}

// trust says whose word is taken for who the client is.
func (b *builder) trust(snap *edge.Snapshot) {
	for _, n := range b.c.Trusted.From {
		snap.Trusted = append(snap.Trusted, n.Prefixes...)
		snap.TrustUnix = snap.TrustUnix || n.Text == "unix"
	}
	snap.TrustedHeader = b.c.Trusted.Header
}

// conflicts notes what the table says of the rules, at the places they were made from.
func (b *builder) conflicts(err error) {
	places := map[string]config.Pos{}
	for _, s := range b.c.Sites {
		places[s.Pos.String()] = s.Pos
		for _, r := range s.Routes {
			places[r.Pos.String()] = r.Pos
		}
	}
	all := []error{err}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		all = many.Unwrap()
	}
	for _, e := range all {
		p, ok := errors.AsType[*route.Problem](e)
		switch {
		case !ok:
			b.failWith(config.Pos{File: b.c.File}, e.Error(), "")
		case p.Other == "":
			b.failWith(places[p.Origin], p.Reason, "")
		default:
			b.failWith(places[p.Origin], p.Reason, "the other one is at "+p.Other)
		}
	}
}

func (b *builder) listeners() (all []edge.Listener) {
	add := func(l *config.Listener, secure bool) {
		var proxies []netip.Prefix
		for _, n := range l.ProxyProtocol {
			proxies = append(proxies, n.Prefixes...)
		}
		all = append(all, edge.Listener{
			Address: l.Address, Secure: secure, HTTP3: secure && l.HTTP3, H2C: !secure && l.H2C,
			Proxies: proxies, Mode: l.Mode,
		})
	}
	for i := range b.c.Listen.HTTP {
		add(&b.c.Listen.HTTP[i], false)
	}
	for i := range b.c.Listen.HTTPS {
		add(&b.c.Listen.HTTPS[i], true)
	}
	return all
}

// site adds the rules of a site: one for each route, and one for itself, which
// answers what the routes do not.
func (b *builder) site(s *config.Site) {
	hosts := make([]string, len(s.Hosts))
	for i, h := range s.Hosts {
		hosts[i] = h.Name
	}
	shell := b.shell(s)
	for _, r := range s.Routes {
		if !r.Enabled {
			continue
		}
		rt := shell
		rt.Origin = r.Pos.String()
		rt.Name, rt.Raw = r.Name, r.RawPath
		rt.Errors = append(b.errorPages(r.Errors), shell.Errors...)
		rt.Handler = b.handler(s, &s.Rule, &r.Rule, r.Match.Paths...)
		for _, p := range r.Match.Paths {
			b.rules = append(b.rules, route.Rule[*edge.Route]{
				Hosts: hosts, Path: p.Text, Methods: r.Match.Methods, Matchers: matchers(&r.Match),
				CaseInsensitive: s.CaseInsensitive || r.CaseInsensitive, Origin: r.Pos.String(), Value: &rt,
			})
		}
	}
	if !s.HasAction() {
		for _, h := range hosts {
			b.unrouted[h] = &shell
		}
		return
	}
	rt := shell
	rt.Raw = s.RawPath
	rt.Handler = b.handler(s, &s.Rule, nil)
	b.rules = append(b.rules, route.Rule[*edge.Route]{Hosts: hosts, Path: "/*", Origin: s.Pos.String(), Value: &rt})
}

// siteName is what logs and metrics call a site.
func siteName(s *config.Site) string { return cmp.Or(s.Name, s.Hosts[0].Name) }

// shell is what all routes of a site have in common.
func (b *builder) shell(s *config.Site) edge.Route {
	rt := edge.Route{Site: siteName(s), Origin: s.Pos.String(), Errors: b.errorPages(s.Errors)}
	if s.Log != nil && s.Log != &b.c.Log {
		if rt.Log = b.log(s.Log); rt.Log == nil {
			rt.Log = edge.Silent
		}
	}
	if !b.secure(s) {
		return rt
	}
	if a := s.TLS.ClientAuth; a != nil {
		rt.Require = a.Mode == "require"
		if _, policy, err := clientPolicy(a); err == nil { // the error is reported by security
			rt.Policy = policy
		}
	}
	if s.HTTP == "redirect" {
		rt.Plain = b.toHTTPS()
	} else if rt.Require {
		b.fail(s.TLS.ClientAuth.Pos, s.Pos, hinted{errors.New("http: serve would let clients past client_auth"), "take http: redirect"})
	}
	return rt
}

func matchers(m *config.Match) (all []route.Matcher) {
	add := func(part route.Part, f config.FieldMatch) {
		value := f.Value
		if f.Present {
			value = "*"
		}
		all = append(all, route.Matcher{Part: part, Name: f.Name, Value: value})
	}
	for _, f := range m.Headers {
		add(route.Header, f)
	}
	for _, f := range m.Query {
		add(route.Query, f)
	}
	return all
}

// misplaced is an error of a setting, with the place where that stands.
func misplaced(c *config.Config, at config.Pos, err error) error {
	if at.Line == 0 {
		return err
	}
	src, _ := os.ReadFile(c.File)
	return config.Mistakes(string(src), &config.Error{Pos: at, Message: err.Error(), Hint: hintFor(err)})
}
