package main

import (
	"strconv"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/access"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/modify"
	"github.com/weirproxy/weir/edge/proxy"
)

// handler makes the chain of a route, or of the site itself when route is nil. The
// order is that of the request, outermost first: who may not come in is turned
// away before anything else is done for him, and headers are set on whatever comes
// out, errors included. Filters of plugins see content
// as it is, not compressed, and see what the cache answers, too: who may not have a
// response does not get it from there. The cache is inside of compression, so that it
// keeps content once, as it is.
func (b *builder) handler(s *config.Site, site, r *config.Rule, paths ...config.Text) exchange.Handler {
	own, params := r, paramsOf(paths)
	if r == nil {
		own = site
	}
	var chain []exchange.Filter
	add := func(f exchange.Filter) {
		if f != nil {
			chain = append(chain, f)
		}
	}
	if own.Proxy != nil {
		add(proxy.HopByHop())
	}
	add(b.headers(b.c.Headers, nil))
	add(b.headers(site.Headers, nil))
	if s.HSTS > 0 && b.secure(s) {
		add(hsts(strconv.Itoa(int(s.HSTS.Seconds()))))
	}
	add(b.deny(site.Deny))
	if r != nil {
		add(b.headers(r.Headers, params))
		add(b.deny(r.Deny))
	}
	add(b.maxBody(site, r))
	add(b.arguments(own))
	add(b.parameters(own))
	add(b.compressor(firstCompress(own.Compress, site.Compress, b.c.Compress)))
	chain = append(chain, b.filters(b.c.Filters)...)
	chain = append(chain, b.filters(site.Filters)...)
	if r != nil {
		chain = append(chain, b.filters(r.Filters)...)
	}
	add(b.cache(firstCache(own.Cache, site.Cache, b.c.Cache.Default)))
	add(b.rewrite(own, params))
	h := b.action(own, params, site.CaseInsensitive || own.CaseInsensitive)
	if h == nil {
		return nil // its mistake has been noted
	}
	return exchange.Chain(h, chain...)
}

func firstCompress(all ...*config.Compress) *config.Compress {
	for _, c := range all {
		if c != nil {
			return c
		}
	}
	return nil
}

func (b *builder) headers(c *config.Headers, params []string) exchange.Filter {
	if c == nil {
		return nil
	}
	f, err := modify.NewHeaders(changes(&c.Request), changes(&c.Response), params...)
	if err != nil {
		b.fail(c.Pos, b.c.Pos, err)
		return nil
	}
	return f
}

func changes(o *config.HeaderOps) (c modify.Changes) {
	for _, n := range o.Remove {
		c.Remove = append(c.Remove, n.Text)
	}
	for _, f := range o.Set {
		c.Set = append(c.Set, exchange.Field{Name: f.Name, Value: f.Value})
	}
	for _, f := range o.Add {
		c.Add = append(c.Add, exchange.Field{Name: f.Name, Value: f.Value})
	}
	return c
}

// hsts tells browsers to come by TLS only (RFC 6797); over plain HTTP it must not
// be said (§7.2).
func hsts(seconds string) exchange.Filter {
	value := "max-age=" + seconds
	return exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
		resp, err := next.Handle(r)
		if resp != nil && r.Conn.TLS != nil && !resp.Header.Has("strict-transport-security") {
			resp.Header.Append("strict-transport-security", value)
		}
		return resp, err
	})
}

func (b *builder) rewrite(r *config.Rule, params []string) exchange.Filter {
	c := r.Rewrite
	if c == nil {
		return nil
	}
	var path *string
	if c.Path != "" {
		path = &c.Path
	}
	f, err := modify.NewRewrite(path, c.Query, params...)
	if err != nil {
		b.fail(c.Pos, r.Pos, err)
		return nil
	}
	return f
}

func (b *builder) deny(rules []config.Deny) exchange.Filter {
	if len(rules) == 0 {
		return nil
	}
	all := make([]access.Rule, len(rules))
	for i, d := range rules {
		all[i] = access.Rule{Path: d.Path, Methods: d.Methods, Status: d.Status, Explain: d.Explain}
		for _, n := range d.From {
			all[i].From = append(all[i].From, n.Prefixes...)
		}
	}
	f, err := access.NewDeny(all...)
	if err != nil {
		for i, rule := range all {
			if _, err := access.NewDeny(rule); err != nil {
				b.fail(rules[i].Pos, b.c.Pos, err)
			}
		}
		return nil
	}
	return f
}

// maxBody bounds request bodies: by the route, else the site, else all.
func (b *builder) maxBody(site, r *config.Rule) exchange.Filter {
	limit := b.c.Limits.Body
	if site.Limits.Body != nil {
		limit = *site.Limits.Body
	}
	if r != nil && r.Limits.Body != nil {
		limit = *r.Limits.Body
	}
	if limit == 0 {
		return nil
	}
	return access.NewMaxBody(limit)
}

func (b *builder) arguments(r *config.Rule) exchange.Filter {
	if r.Args == "" || r.Args == "*" {
		return nil
	}
	f, err := access.NewArgs(r.Args)
	if err != nil {
		b.fail(r.Pos, b.c.Pos, err)
		return nil
	}
	return f
}

func (b *builder) parameters(r *config.Rule) exchange.Filter {
	if len(r.Params) == 0 {
		return nil
	}
	all := make([]access.Param, len(r.Params))
	for i, p := range r.Params {
		all[i] = access.Param{Name: p.Name, Required: p.Required, Type: p.Type}
	}
	f, err := access.NewParams(all...)
	if err != nil {
		b.fail(r.Params[0].Pos, r.Pos, err)
		return nil
	}
	return f
}
