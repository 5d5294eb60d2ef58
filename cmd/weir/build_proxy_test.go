package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/upstream"
)

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(text), config.Options{Dir: t.TempDir(), Env: os.LookupEnv, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a configuration leaves out means what package upstream's zero means.
func TestSettingsOfPool_DefaultsAreThoseOfUpstreams(t *testing.T) {
	t.Parallel()
	c := parsed(t, "sites: {localhost: {proxy: 127.0.0.1:1}}")
	p := &c.Sites[0].Proxy.Pool
	got := settingsOfPool(p, p.To)
	want := upstream.Settings{
		Endpoints: []upstream.Endpoint{{URL: "http://127.0.0.1:1", Weight: 1}},
		Policy:    "least-requests",
		Eject:     upstream.Eject{Failures: 5, For: 10 * time.Second, Most: 50},
		Limits:    upstream.Limits{Pending: 1024, Wait: 5 * time.Second, Idle: 64},
		Retry:     upstream.Retry{Attempts: 2, Budget: 20},
		Timeouts:  upstream.Timeouts{Connect: 5 * time.Second, Head: time.Minute, Idle: time.Minute, Keep: time.Minute, Age: time.Hour},
		Refresh:   30 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// Every setting goes somewhere: of a pool that says something of everything, no field
// is what it is without.
func TestSettingsOfPool_EverySettingGoesSomewhere(t *testing.T) {
	t.Parallel()
	c := parsed(t, `
upstreams:
  all:
    to: {url: "https://a.test", weight: 3}
    balance: {hash: ip}
    health: {kind: http, path: /h, host: h.test, status: 204, interval: 1s, timeout: 2s, pass: 4, fail: 6}
    eject: {failures: 7, for: 8s, most: 9}
    limits: {requests: 10, pending: 11, wait: 12s, idle: 13}
    retry: {attempts: 4, statuses: 503, budget: 14}
    timeouts: {connect: 15s, response: 16s, idle: 17s, keep_alive: 18s, age: 19s, total: 20s, tunnel: 21s}
    tls: {cert: c.pem, key: k.pem, server_name: s.test, min_version: 1.3, ca: ca.pem}
    slow_start: 22s
    refresh: 23s
    proxy_protocol: v2
sites: {localhost: {proxy: {upstream: all}}}`)
	s := settingsOfPool(c.Upstreams[0], c.Upstreams[0].To)
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	s.Sticky, s.Health.Service, s.TLS.Insecure = "set elsewhere", "so is this", true // what excludes others here
	for _, path := range zeroFields(reflect.ValueOf(s), "Settings") {
		t.Errorf("%s is not set by any key", path)
	}
	off := parsed(t, `
upstreams: {off: {to: h2c://a.test, eject: off, retry: off, refresh: none, sticky: c, timeouts: {response: none, idle: none, age: none}, health: {kind: grpc, service: x.Y}}}
sites: {localhost: {proxy: {upstream: off}}}`).Upstreams[0]
	s = settingsOfPool(off, off.To)
	if s.Eject.Failures != -1 || s.Retry.Attempts != 1 || s.Refresh != -1 || s.Timeouts.Head != -1 || s.Timeouts.Idle != -1 || s.Timeouts.Age != -1 || s.Sticky != "c" || s.Health.Service != "x.Y" {
		t.Errorf("what is off: got %+v", s)
	}
}

// zeroFields lists the fields of v, and of structs in it, that are zero.
func zeroFields(v reflect.Value, path string) (all []string) {
	for i := range v.NumField() {
		f, name := v.Field(i), path+"."+v.Type().Field(i).Name
		switch {
		case f.Kind() == reflect.Struct:
			all = append(all, zeroFields(f, name)...)
		case f.IsZero():
			all = append(all, name)
		}
	}
	return all
}

// Whatever address the configuration takes, package upstream takes.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"9000", ":9000", "a", "10.0.0.1:9000", "https://a.test", "h2://[::1]:1", "unix:/run/a.sock", "srv+http://_a._tcp.b.test", "h3://A", "unix:///x", "a_b:1", "a.:1", "http://1.2.3", "[::ffff:1.2.3.4]", "srv+https://a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := config.Parse("weir.yaml", []byte("sites: {localhost: {proxy: "+quote(s)+"}}"), config.Options{})
		if err != nil {
			return
		}
		p := &c.Sites[0].Proxy.Pool
		if err := settingsOfPool(p, p.To).Check(); err != nil {
			t.Errorf("the configuration takes %q as %q, upstreams do not: %v", s, p.To[0].URL, err)
		}
	})
}

func TestBuild_PoolsAreSharedWhereAllIsTheSame(t *testing.T) {
	t.Parallel()
	c := parsed(t, `
listen: {http: ":0"}
upstreams: {api: 127.0.0.1:3}
sites:
  a.localhost: {tls: off, proxy: 127.0.0.1:1}
  b.localhost: {tls: off, proxy: http://127.0.0.1:1}
  c.localhost: {tls: off, proxy: {to: 127.0.0.1:1, retry: off}}
  d.localhost: {tls: off, proxy: {upstream: api, mirror: 127.0.0.1:2}}
  e.localhost: {tls: off, proxy: {split: [{upstream: api}, {to: 127.0.0.1:1, weight: 2}]}}
  f.localhost: {tls: off, proxy: http://api}
`)
	w := dryWorld()
	defer w.close()
	names := func() string {
		var all []string
		for _, p := range w.upstreams.Status() {
			all = append(all, p.Name)
		}
		return strings.Join(all, " ")
	}
	const want = "127.0.0.1:1 127.0.0.1:1#2 127.0.0.1:2 api http://api"
	first, err := w.build(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(); got != want {
		t.Errorf("pools: got %s, want %s", got, want)
	}
	second, err := w.build(c)
	if err != nil {
		t.Fatal(err)
	}
	first.Discard()
	if got := names(); got != want {
		t.Errorf("pools after a reload: got %s, want %s", got, want)
	}
	second.Discard()
	if got := names(); got != "" {
		t.Errorf("pools when nothing uses them: got %s, want none", got)
	}
}

func TestBuild_UpstreamsAreBlamedWhereTheyStand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.pem"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "listen: {http: \":0\"}\nsites:\n  a.localhost:\n    tls: off\n    proxy:\n      to: https://127.0.0.1:1\n      tls: {ca: missing.pem}\n" +
		"  b.localhost:\n    tls: off\n    proxy:\n      to: https://127.0.0.1:1\n      tls: {ca: bad.pem}\n"
	c, err := config.Parse("weir.yaml", []byte(text), config.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := dryWorld()
	defer w.close()
	_, err = w.build(c)
	var all config.Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("got %v, want two mistakes", err)
	}
	got := fmt.Sprint(all[0].Pos.Line, all[1].Pos.Line)
	if got != "7 12" || !strings.Contains(all[0].Message, "missing.pem") || !strings.Contains(all[1].Message, "bad.pem") {
		t.Errorf("got mistakes in lines %s, want 7 12, about the files:\n%v", got, err)
	}
	if n := len(w.upstreams.Status()); n != 0 {
		t.Errorf("a refused configuration leaves %d pools, want none", n)
	}
}

func TestBuild_TrustedProxiesReachTheSnapshot(t *testing.T) {
	t.Parallel()
	snap, _ := builtFrom(t, t.TempDir(), `
listen: {http: ":0"}
trusted_proxies: {from: [fastly, 192.0.2.7, unix], header: Fastly-Client-IP}
sites: {a.localhost: {tls: off, respond: 204}}
`)
	if len(snap.Trusted) != 22 || !snap.TrustUnix || snap.TrustedHeader != "fastly-client-ip" {
		t.Errorf("got %d networks, unix %v, header %q, want 22, true, fastly-client-ip", len(snap.Trusted), snap.TrustUnix, snap.TrustedHeader)
	}
	snap, _ = builtFrom(t, t.TempDir(), "listen: {http: \":0\"}\nsites: {a.localhost: {tls: off, respond: 204}}")
	if len(snap.Trusted) != 0 || snap.TrustUnix {
		t.Errorf("by default: got %v, %v, want nobody", snap.Trusted, snap.TrustUnix)
	}
}

// The cache of a route, a site or all is the one that says most precisely.
func TestBuild_CachesAreThoseOfTheNearest(t *testing.T) {
	t.Parallel()
	snap, _ := builtFrom(t, t.TempDir(), `
listen: {http: ":0"}
cache: true
sites:
  a.localhost: {tls: off, respond: {body: a, headers: {Cache-Control: max-age=60}}, routes: [{match: /x, cache: false, respond: {body: x, headers: {Cache-Control: max-age=60}}}]}
`)
	for target, want := range map[string]bool{"/": true, "/x": false} {
		_, _, resp, err := asked(t, snap, "a.localhost", target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if got := resp.Header.Has("cache-status"); got != want {
			t.Errorf("%s: by the cache: got %v, want %v", target, got, want)
		}
	}
}

// explain runs the request through the real chain, and asks no upstream.
func TestTold_UpstreamsAreNotAsked(t *testing.T) {
	t.Parallel()
	c := parsed(t, `
listen: {http: ":0"}
sites:
  a.localhost:
    tls: off
    headers: {request: {set: {X-From: edge}}}
    proxy: {split: [{to: 127.0.0.1:1}, {to: 127.0.0.1:2, header: "X-Canary: 1"}]}
    rewrite: /new{path}
`)
	w := dryWorld()
	defer w.close()
	w.told = new(told)
	snap, err := w.build(c)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Discard()
	_, _, _, err = asked(t, snap, "a.localhost", "/old?x")
	if !errors.Is(err, errTold) {
		t.Fatalf("got %v, want %v", err, errTold)
	}
	p := w.told.proxy
	if p.Pool != "127.0.0.1:1" || p.Endpoint != "127.0.0.1:1" || p.Target != "/new/old?x" || p.Header.Get("x-from") != "edge" {
		t.Errorf("got %+v, want the first pool, asked for /new/old?x with x-from: edge", p)
	}
}
