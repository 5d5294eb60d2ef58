package main

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/proxy"
	"github.com/weirproxy/weir/edge/upstream"
)

// proxy makes the handler that passes requests on.
func (b *builder) proxy(c *config.Proxy) exchange.Handler {
	before := len(b.errs)
	o := proxy.Options{
		Host: c.Host, StripPrefix: c.StripPrefix, AddPrefix: c.AddPrefix,
		Identity: c.Identity, Forwarded: c.Forwarded, Via: c.Via,
		BufferRequest: c.Buffer.Request, BufferResponse: c.Buffer.Response,
		Intercept: c.Intercept, NoUpgrade: !c.Upgrade,
	}
	if len(c.Split) == 0 {
		o.Shares = []proxy.Share{{Pool: b.target(c, c.Pool.To, c.Upstream)}}
	}
	for i := range c.Split {
		s := &c.Split[i]
		o.Shares = append(o.Shares, proxy.Share{
			Pool: b.target(c, s.To, s.Upstream), Weight: s.Weight, Name: s.Header.Name, Value: s.Header.Value,
		})
	}
	if m := c.Mirror; m != nil {
		o.Mirror = &proxy.Mirror{Pool: b.target(c, m.To, m.Upstream), Percent: m.Percent, Body: m.Body}
	}
	if len(b.errs) > before {
		return nil
	}
	h, err := proxy.New(o)
	if err != nil {
		b.fail(c.Pos, c.Pos, err)
		return nil
	}
	if t := b.world.told; t != nil {
		return t.explains(h, b.world.upstreams)
	}
	return h
}

// target returns the pool that is named, or one of endpoints that c has settings for.
func (b *builder) target(c *config.Proxy, to []config.Endpoint, named config.Text) *upstream.Pool {
	if named.Text == "" {
		return b.pool(&c.Pool, to, poolName(to))
	}
	i := slices.IndexFunc(b.c.Upstreams, func(p *config.Pool) bool { return p.Name == named.Text })
	p := b.c.Upstreams[i] // names were checked when they were read
	return b.pool(p, p.To, p.Name)
}

// poolName is what the pool of a proxy is called in logs and metrics: its addresses.
// An entry of upstreams has a plain name, so no address is one.
func poolName(to []config.Endpoint) string {
	all := make([]string, len(to))
	for i, e := range to {
		if all[i] = e.URL; strings.ContainsAny(strings.TrimPrefix(e.URL, "http://"), ".:") {
			all[i] = strings.TrimPrefix(e.URL, "http://")
		}
	}
	return strings.Join(all, ",")
}

// builtPool is a pool that this build has asked for.
type builtPool struct {
	*upstream.Pool
	settings string
}

// pool returns the pool of a name. All who ask for the same share one, over reloads
// too; who calls another one by the same name gets a number added to it.
func (b *builder) pool(c *config.Pool, to []config.Endpoint, name string) *upstream.Pool {
	s := settingsOfPool(c, to)
	if b.world.dry {
		s.Health = upstream.Health{} // who only looks asks nobody
	}
	settings, first := fmt.Sprintf("%#v", s), name
	for n := 2; ; n++ {
		known, ok := b.pools[name]
		if !ok {
			break
		}
		if known.settings == settings {
			return known.Pool
		}
		name = first + "#" + strconv.Itoa(n)
	}
	p, err := b.world.upstreams.Pool(name, s)
	if err != nil {
		b.fail(c.TLS.Pos, c.Pos, err)
		return nil
	}
	b.pools[name] = builtPool{p, settings}
	b.closers = append(b.closers, p.Release)
	return p
}

// settingsOfPool says to package upstream what c says.
func settingsOfPool(c *config.Pool, to []config.Endpoint) upstream.Settings {
	s := upstream.Settings{
		Policy: c.Balance.Policy, Hash: c.Balance.Hash, Sticky: c.Sticky.Text,
		Eject:     upstream.Eject{Failures: orNone(c.Eject.Failures), For: c.Eject.For, Most: c.Eject.Most},
		Limits:    upstream.Limits{Requests: c.Limits.Requests, Pending: c.Limits.Pending, Wait: c.Limits.Wait, Idle: c.Limits.Idle},
		Retry:     upstream.Retry{Attempts: c.Retry.Attempts, Statuses: c.Retry.Statuses, Budget: c.Retry.Budget},
		SlowStart: c.SlowStart, Refresh: orNone(c.Refresh), Proxy: c.ProxyProtocol,
	}
	secure := false
	for _, e := range to {
		s.Endpoints = append(s.Endpoints, upstream.Endpoint{URL: e.URL, Weight: e.Weight})
		secure = secure || e.HasTLS()
	}
	if h := &c.Health; h.Kind != "" {
		s.Health = upstream.Health{
			Kind: h.Kind, Path: h.Path, Host: h.Host, Service: h.Service, Statuses: h.Statuses,
			Interval: h.Interval, Timeout: h.Timeout, Pass: h.Pass, Fail: h.Failing,
		}
	}
	t := &c.Timeouts
	s.Timeouts = upstream.Timeouts{
		Connect: t.Connect, Head: orNone(t.Response), Idle: orNone(t.Idle), Keep: t.KeepAlive,
		Age: orNone(t.Age), Whole: t.Total, Tunnel: t.Tunnel,
	}
	// The shares of one proxy may differ in whether they have TLS at all.
	if secure {
		s.TLS = upstream.TLS{CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key, ServerName: c.TLS.ServerName, Insecure: c.TLS.Insecure}
		if c.TLS.MinVersion == "1.3" {
			s.TLS.MinVersion = tls.VersionTLS13
		}
	}
	return s
}

// orNone says "none" as package upstream does, whose zero means the default.
func orNone[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}
