package cache

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Filter answers from a Store what it may. It is safe for concurrent use.
type Filter struct {
	store           *Store
	name            string
	capability      string // of Surrogate-Capability
	hit             string // how Cache-Status begins for hits
	ttl, maxTTL     int64  // seconds
	whileRevalidate int64
	ifError         int64
	ignore          []string
	ignoreAll       bool
	cookies         []string
	tags            string
	seed            maphash.Seed
}

var _ exchange.Filter = (*Filter)(nil)

// New returns a filter. It refuses patterns and names that are not valid, and times
// less than 0.
func New(o Options) (*Filter, error) {
	f := &Filter{
		store: o.Store, name: o.Name, ignore: o.IgnoreQuery, ignoreAll: o.IgnoreAllQuery,
		cookies: o.Cookies, tags: strings.ToLower(o.Tags), seed: maphash.MakeSeed(),
		ttl: seconds(o.TTL), maxTTL: seconds(o.MaxTTL),
		whileRevalidate: seconds(o.StaleWhileRevalidate), ifError: seconds(o.StaleIfError),
	}
	if f.name == "" {
		f.name = "weir"
	}
	f.hit = f.name + "; hit; ttl="
	f.capability = capability + `="Surrogate/1.0"`
	switch {
	case o.Store == nil:
		return nil, errors.New("make cache filter: no store")
	case min(o.TTL, o.MaxTTL, o.StaleWhileRevalidate, o.StaleIfError) < 0:
		return nil, errors.New("make cache filter: a time is negative")
	case !exchange.ValidName(f.name) || strings.Trim(f.name[:1], "0123456789!#$%&'+-.^_`|~") == "":
		return nil, fmt.Errorf("make cache filter: name %q: not a token that begins with a letter", f.name)
	case f.tags != "" && !exchange.ValidName(f.tags):
		return nil, fmt.Errorf("make cache filter: tags in %q: not a field name", f.tags)
	}
	for _, pattern := range append(append([]string(nil), f.ignore...), f.cookies...) {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return nil, fmt.Errorf("make cache filter: pattern %q: not valid", pattern)
		}
	}
	return f, nil
}

// seconds rounds up, so that something is not nothing.
func seconds(d time.Duration) int64 { return min(int64((d+time.Second-1)/time.Second), forever) }

// Handle implements exchange.Filter.
func (f *Filter) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	var q query
	q.read(&r.Header)
	why := f.passes(r, &q)
	var buffer [512]byte
	key := buffer[:0]
	if why == "" {
		if key = f.appendKey(key, r); len(key) > maxKey {
			why = "bypass"
		}
	}
	if why != "" {
		return f.pass(r, next, why)
	}
	now := r.Record.Start
	if now.IsZero() {
		now = time.Now()
	}
	e, others := f.store.find(key, r)
	use := f.judge(e, others, &q, now)
	if use.serve() {
		if resp := f.fromStore(r, e, &q, now, use); resp != nil {
			f.store.hits.Add(1)
			if use == refresh {
				f.refresh(r, next, e, key)
			}
			return resp, nil
		}
		e, use = nil, missing // its file is gone
	}
	f.store.misses.Add(1)
	return f.fetch(&fetch{Filter: f, r: r, next: next, q: q, key: bytes.Clone(key), old: e, use: use, now: now})
}

// use is what becomes of a request, by what is kept.
type use uint8

const (
	fresh   use = iota // answer
	stale              // answer, since the client takes what is stale
	refresh            // answer with what is stale, and fetch anew (RFC 5861 §3)
	missing            // fetch: nothing is kept
	varies             // fetch: what is kept is for other requests
	expired            // fetch or validate: what is kept is too old
	wished             // fetch or validate: the client wants no older answer
	barred             // fetch: what is kept is for requests without Authorization
)

func (u use) serve() bool { return u <= refresh }

// reason is why a request goes on, as Cache-Status has it (RFC 9211 §2.2).
func (u use) reason() string {
	return [...]string{missing: "uri-miss", varies: "vary-miss", expired: "stale", wished: "request", barred: "bypass"}[u]
}

// judge decides (RFC 9111 §4).
func (f *Filter) judge(e *entry, others bool, q *query, now time.Time) use {
	switch {
	case e == nil && others:
		return varies
	case e == nil:
		return missing
	case q.authorized && !e.shared:
		return barred
	case q.noCache || q.noStore:
		return wished
	case e.noCache:
		return expired
	}
	ttl := e.ttlAt(now)
	if q.said {
		if q.maxAge != unsaid && e.ageAt(now) > q.maxAge || q.minFresh != unsaid && ttl < q.minFresh {
			return wished
		}
	}
	switch {
	case ttl > 0:
		return fresh
	case e.strict:
		return expired
	case q.maxStale != unsaid && -ttl <= q.maxStale:
		return stale
	case -ttl < e.whileRevalidate:
		return refresh
	}
	return expired
}

// pass lets a request by. One that changes something makes what is kept of it invalid
// (RFC 9111 §4.4).
func (f *Filter) pass(r *exchange.Request, next exchange.Handler, why string) (*exchange.Response, error) {
	r.Record.Cache = "fwd=" + why
	// As the client named it: rules behind may have something else asked for.
	asked := exchange.Request{Scheme: r.Scheme, Authority: r.Authority, Target: r.Target, Path: r.Path, Query: r.Query, Opaque: r.Opaque}
	resp, err := next.Handle(r)
	if err != nil {
		return nil, err
	}
	if f.tags != "" {
		resp.Header.Del(f.tags)
	}
	if resp.Status < 400 && unsafe(r.Method) {
		f.invalidate(&asked, resp)
	}
	resp.Header.Append("cache-status", f.name+"; fwd="+why)
	return resp, nil
}

func unsafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// invalidate takes out what is kept of the target, and of what Location and
// Content-Location name, if that is of the same origin.
func (f *Filter) invalidate(r *exchange.Request, resp *exchange.Response) {
	f.store.revoke(revocation{key: string(f.appendKey(nil, r))})
	for _, name := range [...]string{"location", "content-location"} {
		if target := sameOrigin(r, resp.Header.Get(name)); target != "" {
			other := exchange.Request{Scheme: r.Scheme, Authority: r.Authority}
			if other.SetTarget(target) == nil {
				f.store.revoke(revocation{key: string(f.appendKey(nil, &other))})
			}
		}
	}
}

// sameOrigin returns the target of a URI reference, or "" if it is on another host.
func sameOrigin(r *exchange.Request, ref string) string {
	ref, _, _ = strings.Cut(ref, "#")
	if rest, ok := strings.CutPrefix(ref, r.Scheme+":"); ok {
		ref = rest
	}
	if rest, ok := strings.CutPrefix(ref, "//"); ok {
		if len(rest) < len(r.Authority) || !strings.EqualFold(rest[:len(r.Authority)], r.Authority) {
			return ""
		}
		if ref = rest[len(r.Authority):]; ref == "" {
			ref = "/"
		}
	}
	base, _, _ := strings.Cut(r.Target, "?")
	switch {
	case ref == "":
		return ""
	case ref[0] == '/':
		return ref
	case ref[0] == '?':
		return base + ref
	}
	if name, _, _ := strings.Cut(ref, "/"); strings.Contains(name, ":") {
		return "" // another scheme
	}
	return base[:strings.LastIndexByte(base, '/')+1] + ref
}
