package cgi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// handler runs the program for each request of one use.
type handler struct {
	guests *Guests
	env    [][2]string // granted
	args   []string
}

// ask is what the program is asked: what the client asks, or what a local redirect has
// made of it.
type ask struct {
	method, target, query string
	script, info          string // SCRIPT_NAME, PATH_INFO
	length                int64  // of the content
	content               input
	redirected            bool
}

// maxRedirects is how often in a row a program may send to itself (RFC 3875 §6.2.2 has
// the server bound it).
const maxRedirects = 10

var errRedirects = errors.New("it redirects to itself over and over again")

// Handle implements exchange.Handler. A redirect to a path below the program's own is
// followed here (RFC 3875 §6.2.2); clients follow others themselves, which leads to the
// same content.
func (h *handler) Handle(r *exchange.Request) (*exchange.Response, error) {
	script, info := split(r)
	a := ask{method: r.Method, target: r.Target, query: r.Query, script: script, info: info}
	if err := a.take(r, h.guests.limits.Body); err != nil {
		return nil, err
	}
	for range maxRedirects {
		resp, to, err := h.once(r, &a)
		if to == nil {
			return resp, err
		}
		a = *to
	}
	return nil, h.guests.plugin.Fail(r, errRedirects)
}

// split says which part of the path is the program's own: what the route fixed. Where
// that was rewritten since, everything is below it.
func split(r *exchange.Request) (script, info string) {
	m := &r.Match
	if len(r.Path) == len(m.Prefix)+len(m.Rest) && strings.HasPrefix(r.Path, m.Prefix) {
		script = strings.TrimSuffix(m.Prefix, "/")
		if m.Rest == "" && script == m.Prefix {
			return script, ""
		}
		return script, r.Path[len(script):]
	}
	return "", r.Path
}

// once runs the program. Where it redirects to itself, to is what is asked next.
func (h *handler) once(r *exchange.Request, a *ask) (resp *exchange.Response, to *ask, err error) {
	g := h.guests
	if err := g.enter(r); err != nil {
		if !errors.Is(err, vm.ErrBusy) {
			return nil, nil, err // the client has gone
		}
		return nil, nil, g.plugin.Fail(r, err)
	}
	run, err := h.start(r, a)
	if err != nil {
		g.leave()
		g.plugin.Trapped(r, err)
		return nil, nil, g.plugin.Fail(r, err)
	}
	done := run.await()
	if to := run.redirect(r, a); to != nil {
		run.Close()
		return nil, to, nil
	}
	if !done && run.fine() {
		return run.streaming(r), nil, nil
	}
	defer run.Close()
	if err := run.failure(); err != nil {
		return nil, nil, err
	}
	return run.whole(r), nil, nil
}

// redirect returns what is asked where the run's answer is a redirect to what the program
// answers itself.
func (n *run) redirect(r *exchange.Request, a *ask) *ask {
	n.mu.Lock()
	h := &n.head
	follow := n.headed && h.local
	location := h.location
	n.mu.Unlock()
	if !follow {
		return nil
	}
	var at exchange.Request // whose target is read as a client's would be
	if at.SetTarget(location) != nil {
		return nil
	}
	if at.Path != a.script && !strings.HasPrefix(at.Path, a.script+"/") {
		return nil
	}
	next := &ask{method: http.MethodGet, target: at.Target, query: at.Query, script: a.script, info: at.Path[len(a.script):], redirected: true}
	if r.Method == http.MethodHead {
		next.method = r.Method
	}
	return next
}
