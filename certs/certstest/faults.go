package certstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is what a client gets instead of an answer.
type Fault struct {
	Status     int
	RetryAfter string // the field; "" for none
	Type       string // of the problem, "rateLimited"; "" for a page that is no problem document
	Detail     string // of the problem, or the page
	Endless    bool   // a body that never ends
	Hang       bool   // nothing at all, until the client leaves
}

// Answer is an answer that the authority is about to give.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// faults stand between clients and the authority.
type faults struct {
	mu sync.RWMutex
	faultSettings
}

type faultSettings struct {
	fail    func(*http.Request) *Fault
	delay   func(*http.Request) time.Duration
	edit    func(*http.Request, *Answer)
	ari     string // Retry-After of renewal information
	shift   time.Duration
	reissue *reissuer
}

// Fail asks f for every request whether it fails; nil lets it through. What a
// request is about, [Kind] tells. nil f: none fails any more.
func (c *CA) Fail(f func(*http.Request) *Fault) { c.faults.set(func(s *faults) { s.fail = f }) }

// FailNext has the next n requests of a kind fail, all of them if n is negative.
func (c *CA) FailNext(n int, kind string, fault Fault) {
	var mu sync.Mutex
	c.Fail(func(r *http.Request) *Fault {
		mu.Lock()
		defer mu.Unlock()
		if Kind(r) != kind || n == 0 {
			return nil
		}
		n--
		return &fault
	})
}

// Delay asks f for every request how long it is to wait before it is served.
func (c *CA) Delay(f func(*http.Request) time.Duration) {
	c.faults.set(func(s *faults) { s.delay = f })
}

// Edit has f change every answer before it leaves, so that the authority lies.
func (c *CA) Edit(f func(*http.Request, *Answer)) { c.faults.set(func(s *faults) { s.edit = f }) }

// RenewalRetryAfter changes when clients are told to ask again for renewal
// information, "2" for two seconds; Pebble itself says six hours.
func (c *CA) RenewalRetryAfter(v string) { c.faults.set(func(s *faults) { s.ari = v }) }

// ShiftClock changes the Date of all answers by d.
func (c *CA) ShiftClock(d time.Duration) { c.faults.set(func(s *faults) { s.shift = d }) }

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faults) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.RLock()
		now := f.faultSettings
		f.mu.RUnlock()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Date", time.Now().Add(now.shift).UTC().Format(http.TimeFormat))
		replay(r, body)
		if now.delay != nil && !pause(r, now.delay(r)) {
			return
		}
		if now.fail != nil {
			replay(r, body)
			if fault := now.fail(r); fault != nil {
				fault.serve(w, r)
				return
			}
		}
		replay(r, body)
		rec := &recorder{Answer: Answer{Header: w.Header()}}
		next.ServeHTTP(rec, r)
		now.alter(r, body, &rec.Answer)
		rec.send(w)
	})
}

// alter changes an answer as was asked for.
func (f *faultSettings) alter(r *http.Request, body []byte, a *Answer) {
	if f.ari != "" && Kind(r) == "ari" {
		a.Header.Set("Retry-After", f.ari)
	}
	if f.reissue != nil && Kind(r) == "cert" && a.Status < 300 {
		if chain, err := f.reissue.again(a.Body); err == nil {
			a.Body = chain
		}
	}
	if f.edit != nil {
		replay(r, body)
		f.edit(r, a)
	}
}

func replay(r *http.Request, body []byte) { r.Body = io.NopCloser(bytes.NewReader(body)) }

// pause tells whether the client is still there afterwards.
func pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (f *Fault) serve(w http.ResponseWriter, r *http.Request) {
	if f.Hang {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // to return would be to answer, which may still arrive
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	body := []byte(f.Detail)
	if f.Type != "" {
		w.Header().Set("Content-Type", "application/problem+json")
		body, _ = json.Marshal(map[string]any{ // cannot fail: strings and a number
			"type": "urn:ietf:params:acme:error:" + f.Type, "detail": f.Detail, "status": f.Status,
		})
	} else {
		w.Header().Set("Content-Type", "text/html")
	}
	if f.Status != 0 {
		w.WriteHeader(f.Status)
	}
	if !f.Endless {
		w.Write(body)
		return
	}
	for body = bytes.Repeat([]byte("x"), 64<<10); ; {
		if _, err := w.Write(body); err != nil {
			return
		}
	}
}

// recorder holds an answer back.
type recorder struct{ Answer }

func (r *recorder) Header() http.Header { return r.Answer.Header }
func (r *recorder) WriteHeader(n int)   { r.Status = n }
func (r *recorder) Write(p []byte) (int, error) {
	r.Body = append(r.Body, p...)
	return len(p), nil
}

func (r *recorder) send(w http.ResponseWriter) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(r.Body)))
	w.WriteHeader(r.Status)
	w.Write(r.Body)
}

// Kind tells what a request to the authority is about: "directory", "nonce",
// "account", "order" (a new one), "poll" (of an order), "authz", "challenge",
// "finalize", "cert", "revoke", "ari", or "other".
func Kind(r *http.Request) string {
	for _, k := range kinds {
		if strings.HasPrefix(r.URL.Path, k.prefix) {
			return k.kind
		}
	}
	return "other"
}

// kinds are Pebble's paths.
var kinds = []struct{ prefix, kind string }{
	{"/dir", "directory"}, {"/nonce-plz", "nonce"}, {"/sign-me-up", "account"}, {"/my-account/", "account"},
	{"/order-plz", "order"}, {"/my-order/", "poll"}, {"/authZ/", "authz"}, {"/chalZ/", "challenge"},
	{"/finalize-order/", "finalize"}, {"/certZ/", "cert"}, {"/revoke-cert", "revoke"},
	{"/draft-ietf-acme-ari-03/renewalInfo/", "ari"},
}
