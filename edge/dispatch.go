package edge

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/route"
)

// Dispatch implements exchange.Dispatcher: one request, from its route to its
// observers.
func (s *Server) Dispatch(r *exchange.Request) {
	snap := s.acquire()
	defer snap.release()
	snap.begin(r)
	rt, resp, err := snap.answer(r)
	s.finish(snap, rt, r, resp, err)
}

// Reject implements exchange.Dispatcher for requests that are not well-formed.
func (s *Server) Reject(r *exchange.Request, err error) {
	snap := s.acquire()
	defer snap.release()
	snap.begin(r)
	s.finish(snap, nil, r, nil, err)
}

// begin numbers an exchange and finds out who asks.
func (snap *Snapshot) begin(r *exchange.Request) {
	r.Record.Number = rand.Uint64()
	if len(snap.Trusted) > 0 || snap.TrustUnix {
		snap.identify(r)
	}
}

func (s *Server) finish(snap *Snapshot, rt *Route, r *exchange.Request, resp *exchange.Response, err error) {
	s.respond(snap, rt, r, resp, err)
	r.Record.Took = time.Since(r.Record.Start)
	s.end(r)
	for _, o := range snap.Observers {
		s.observe(o, r)
	}
	log := snap.Log
	if rt != nil && rt.Log != nil {
		log = rt.Log
	}
	if log != nil {
		s.observe(log, r)
	}
}

// end tells filters that the exchange is over.
func (s *Server) end(r *exchange.Request) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("the end of an exchange panicked", "err", p, "stack", string(debug.Stack()))
		}
	}()
	r.End()
}

func (s *Server) observe(o exchange.Observer, r *exchange.Request) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("observer panicked", "err", p, "stack", string(debug.Stack()))
		}
	}()
	o.Observe(r)
}

var (
	errNoSite   = &exchange.Error{Fault: exchange.Client, Status: http.StatusNotFound, Err: errors.New("no site of that name")}
	errWrongTLS = &exchange.Error{Fault: exchange.Client, Status: http.StatusMisdirectedRequest, Err: errors.New("no site of that name on this connection")}
	errPolicy   = &exchange.Error{Fault: exchange.Client, Status: http.StatusMisdirectedRequest, Err: errors.New("site and connection differ in their client-certificate policy")}
	errEarly    = &exchange.Error{Fault: exchange.Client, Status: http.StatusTooEarly, Err: errors.New("early data for a site that asks for client certificates")}
	errNoCert   = &exchange.Error{Fault: exchange.Client, Status: http.StatusForbidden, Title: "Client certificate required", Err: errors.New("no client certificate")}
	errOpaque   = &exchange.Error{Fault: exchange.Client, Status: http.StatusBadRequest, Err: errors.New("path holds an encoded slash, which only routes with raw_path take")}
	errNoRoute  = &exchange.Error{Fault: exchange.Client, Status: http.StatusNotFound, Err: errors.New("no route matches")}
)

// answer finds the route and runs its chain. A panic in it is one request's
// misfortune, not the process's.
func (snap *Snapshot) answer(r *exchange.Request) (rt *Route, resp *exchange.Response, err error) {
	defer recovered(&err)
	// Before any site's rules: an authority does not follow them, and asks for hosts
	// that have no site yet.
	if resp := snap.answerChallenge(r); resp != nil {
		return nil, resp, nil
	}
	if r.Path == "*" { // OPTIONS * asks about the server itself (RFC 9110 §9.3.7)
		return nil, allowed(r, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"), nil
	}
	rt, allow, err := snap.Find(r)
	if allow != "" && r.Method == http.MethodOptions {
		return rt, allowed(r, allow), nil
	}
	if err != nil {
		return rt, nil, err
	}
	resp, err = rt.handler(r).Handle(r)
	return rt, resp, err
}

// allowed answers OPTIONS.
func allowed(r *exchange.Request, methods string) *exchange.Response {
	resp := r.NewResponse(http.StatusNoContent)
	resp.Header.Append("allow", methods)
	return resp
}

// Find returns the route that answers r, and notes in r what routing found. The
// error says why there is none, or why this connection may not ask it; then the
// route may still be set. Allow is set where only the method has no route.
func (snap *Snapshot) Find(r *exchange.Request) (rt *Route, allow string, err error) {
	site := snap.Routes.Site(r.Host)
	if site == nil {
		if r.Conn.TLS != nil {
			return nil, "", errWrongTLS
		}
		return nil, "", errNoSite
	}
	found := site.Match(r.Path, r.Method, asker{r})
	if !found.OK {
		return snap.unrouted(r, site.Name(), found.Allow)
	}
	rt = found.Value
	r.Record.Site, r.Record.Route = rt.Site, cmp.Or(rt.Name, found.Pattern)
	r.Match.Prefix, r.Match.Rest = found.Prefix, found.Rest
	for name, value := range found.Params() {
		r.Match.Params = append(r.Match.Params, exchange.Param{Name: name, Value: value})
	}
	return rt, "", rt.admit(r)
}

// Answer asks the route itself, for who wants to know what it would say and not
// send it. The caller closes the response's body.
func (rt *Route) Answer(r *exchange.Request) (resp *exchange.Response, err error) {
	defer recovered(&err)
	return rt.handler(r).Handle(r)
}

// unrouted says what becomes of a request that none of its host's rules take. It
// must not tell more than a route would: neither to connections of another policy,
// nor over plain HTTP where that only redirects.
func (snap *Snapshot) unrouted(r *exchange.Request, host, allow string) (*Route, string, error) {
	rt := snap.Unrouted[host]
	if rt == nil {
		return nil, allow, notFound(r, allow)
	}
	r.Record.Site = rt.Site
	if err := rt.admit(r); err != nil {
		return rt, "", err
	}
	if r.Conn.TLS == nil && rt.Plain != nil {
		return rt, "", nil
	}
	return rt, allow, notFound(r, allow)
}

// handler is what answers on this connection.
func (rt *Route) handler(r *exchange.Request) exchange.Handler {
	if r.Conn.TLS == nil && rt.Plain != nil {
		return rt.Plain
	}
	return rt.Handler
}

// admit says whether this connection may ask this route.
func (rt *Route) admit(r *exchange.Request) error {
	if r.Opaque && !rt.Raw {
		return errOpaque
	}
	policy, verified := "", false
	if t := r.Conn.TLS; t != nil {
		policy, verified = t.Policy, len(t.Peer) > 0
	}
	switch {
	case r.Conn.TLS == nil && rt.Plain != nil:
		return nil // answered by the redirect to where the policy holds
	case policy != rt.Policy:
		return errPolicy
	case r.Early && policy != "":
		return errEarly
	case rt.Require && !verified:
		return errNoCert
	}
	return nil
}

// notFound tells a path that is not there from a method that is not taken.
func notFound(r *exchange.Request, allow string) error {
	if allow == "" {
		return errNoRoute
	}
	return &exchange.Error{
		Fault: exchange.Client, Status: http.StatusMethodNotAllowed,
		Fields: []exchange.Field{{Name: "allow", Value: allow}},
		Err:    fmt.Errorf("method %s is not taken here", r.Method),
	}
}

// asker answers the route table's questions about a request. It is one pointer, so
// that handing it over as an interface costs nothing.
type asker struct{ r *exchange.Request }

func (a asker) Satisfies(m *route.Matcher) bool {
	if m.Part == route.Header {
		for v := range a.r.Header.Values(m.Name) {
			if m.Accepts(v) {
				return true
			}
		}
		return false
	}
	for rest := a.r.Query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if unescape(name) == m.Name && m.Accepts(unescape(value)) {
			return true
		}
	}
	return false
}

// unescape decodes a query component; one that is broken is taken as it is.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}
