package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
)

// builtFrom builds the snapshot of a configuration, whose paths are relative to dir.
func builtFrom(t *testing.T, dir, text string) (*edge.Snapshot, *config.Config) {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(text), config.Options{Dir: dir, Env: os.LookupEnv, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	w := dryWorld()
	t.Cleanup(w.close)
	snap, err := w.build(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(snap.Discard)
	return snap, c
}

// asked puts a request to the snapshot. The response is nil if there is an error.
func asked(t *testing.T, snap *edge.Snapshot, host, target string) (*exchange.Request, *edge.Route, *exchange.Response, error) {
	t.Helper()
	r := new(exchange.Request)
	r.Reset(new(exchange.Conn), nowhere{})
	r.Method, r.Scheme = "GET", "http"
	if err := r.SetAuthority(host); err != nil {
		t.Fatal(err)
	}
	if err := r.SetTarget(target); err != nil {
		t.Fatal(err)
	}
	rt, _, err := snap.Find(r)
	if err != nil {
		return r, rt, nil, err
	}
	resp, err := rt.Answer(r)
	if resp != nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return r, rt, resp, err
}

// Two sites share the handler of a directory only where all they say of it is the same.
func TestBuild_SitesDoNotShareWhatDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "a b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, _ := builtFrom(t, dir, `
listen: {http: ":0"}
sites:
  one.localhost: {tls: off, root: {dir: ., hide: ["a b"]}}
  two.localhost: {tls: off, root: {dir: ., hide: ["a", "b"]}}
  three.localhost: {tls: off, root: {dir: ., hide: ["a", "b"]}}
`)
	for _, c := range []struct {
		host, target string
		found        bool
	}{
		{"one.localhost", "/a", true}, {"one.localhost", "/b", true}, {"one.localhost", "/a%20b", false},
		{"two.localhost", "/a", false}, {"two.localhost", "/b", false}, {"two.localhost", "/a%20b", true},
	} {
		if _, _, _, err := asked(t, snap, c.host, c.target); (err == nil) != c.found {
			t.Errorf("%s%s: found %v (%v), want %v", c.host, c.target, err == nil, err, c.found)
		}
	}
}

func TestBuild_NamesAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	snap, c := builtFrom(t, t.TempDir(), `
listen: {http: ":0"}
sites:
  shop.localhost:
    tls: off
    name: shop
    routes:
      - {match: /cart, name: cart, respond: c}
      - {match: /other, respond: o}
  plain.localhost: {tls: off, respond: p}
`)
	for _, want := range []struct{ host, target, site, route string }{
		{"shop.localhost", "/cart", "shop", "cart"},
		{"shop.localhost", "/other", "shop", "/other"},
		{"shop.localhost", "/none", "shop", ""},
		{"plain.localhost", "/", "plain.localhost", "/*"},
	} {
		r, _, _, _ := asked(t, snap, want.host, want.target)
		if r.Record.Site != want.site || r.Record.Route != want.route {
			t.Errorf("%s%s: got site %q, route %q, want %q and %q", want.host, want.target, r.Record.Site, r.Record.Route, want.site, want.route)
		}
	}
	if got := siteNames(c); len(got) != 2 || got[0] != "shop" {
		t.Errorf("names for metrics: got %q, want shop first", got)
	}
}

func TestBuild_TemplatesKnowEveryNameOfAPath(t *testing.T) {
	t.Parallel()
	snap, _ := builtFrom(t, t.TempDir(), `
listen: {http: ":0"}
sites:
  a.localhost:
    tls: off
    routes:
      - {match: "/u/{user-id}", redirect: "/users/{user-id}"}
      - {match: "/v/{2nd}", redirect: "/second/{2nd}"}
`)
	for target, want := range map[string]string{"/u/7": "/users/7", "/v/x": "/second/x"} {
		_, _, resp, err := asked(t, snap, "a.localhost", target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if got := resp.Header.Get("location"); got != want {
			t.Errorf("%s: got location %q, want %q", target, got, want)
		}
	}
}

func TestBuild_ErrorPagesHaveTheirFields(t *testing.T) {
	t.Parallel()
	snap, _ := builtFrom(t, t.TempDir(), `
listen: {http: ":0"}
sites:
  a.localhost:
    tls: off
    root: .
    errors: {404: {respond: {body: "lost {status}", headers: {X-Robots-Tag: noindex}}}}
`)
	r, rt, _, _ := asked(t, snap, "a.localhost", "/none")
	resp, err := rt.Errors[0].Page(r, 404)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if got := resp.Header.Get("x-robots-tag"); resp.Status != 404 || got != "noindex" || string(body) != "lost 404" || err != nil {
		t.Errorf("got %d, x-robots-tag %q, %q, %v, want 404, noindex, lost 404", resp.Status, got, body, err)
	}
}

func TestBuild_CaseInsensitiveRoutesFindTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	snap, _ := builtFrom(t, dir, `
listen: {http: ":0"}
sites:
  a.localhost: {tls: off, case_insensitive: true, routes: [{match: /files/*, root: ., strip_prefix: /files, deny: /files/b}]}
  b.localhost: {tls: off, routes: [{match: /files/*, case_insensitive: true, root: ., strip_prefix: /files}]}
`)
	for _, host := range []string{"a.localhost", "b.localhost"} {
		if _, _, _, err := asked(t, snap, host, "/FILES/a"); err != nil {
			t.Errorf("%s/FILES/a: got %v, want the file", host, err)
		}
	}
	_, _, _, err := asked(t, snap, "a.localhost", "/FILES/b")
	if e, ok := err.(*exchange.Error); !ok || e.Status != 403 {
		t.Errorf("/FILES/b, which is denied: got %v, want 403", err)
	}
}

func TestBuild_DenyRulesAreBlamedWhereTheyStand(t *testing.T) {
	t.Parallel()
	const text = "listen: {http: \":0\"}\nsites:\n  a.localhost:\n    tls: off\n    respond: 204\n    deny:\n      - /fine/**\n      - /a?b\n"
	c, err := config.Parse("weir.yaml", []byte(text), config.Options{Dir: t.TempDir(), Env: os.LookupEnv, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	w := dryWorld()
	defer w.close()
	_, err = w.build(c)
	errs, ok := err.(config.Errors)
	if !ok || len(errs) != 1 || errs[0].Pos.Line != 8 {
		t.Errorf("got %v, want one mistake in line 8", err)
	}
}
