package cache

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// validating tells whether the fetch asks only for what has changed since old (RFC 9111
// §4.3.1).
func (t *fetch) validating() bool {
	return t.old != nil && t.r.Method == http.MethodGet && (t.use == expired || t.use == wished || t.use == refresh) &&
		!t.q.ranged && !t.q.noStore && (t.old.etag != "" || t.old.modified != "")
}

// prepare gives the request our own preconditions in place of the client's, whose are
// evaluated when the answer has come, and says which cache asks: the client cannot speak
// for caches, as it would have the upstream answer everybody in a form that it chose.
// restore undoes that.
func (t *fetch) prepare() (restore func()) {
	h := &t.r.Header
	said, validating := h.Has("surrogate-capability"), t.validating()
	if !said && !validating {
		h.Append("surrogate-capability", t.capability)
		return func() { h.Del("surrogate-capability") }
	}
	var was exchange.Header
	was.CopyFrom(h)
	h.DelFunc(func(name, _ string) bool {
		switch name {
		case "surrogate-capability":
			return !t.r.Trusted
		case "if-none-match", "if-modified-since":
			return validating
		}
		return false
	})
	h.Append("surrogate-capability", t.capability)
	if validating && t.old.etag != "" {
		h.Append("if-none-match", t.old.etag)
	}
	if validating && t.old.modified != "" {
		h.Append("if-modified-since", t.old.modified)
	}
	return func() { h.CopyFrom(&was) }
}

// hold opens the file of what is about to be validated, so that it can be answered with
// though it be taken out meanwhile. Without its file there is nothing to validate.
func (t *fetch) hold() {
	if !t.validating() || t.old.file == "" || t.old.body != nil {
		return
	}
	var err error
	if t.held, err = t.store.disk.open(t.old); err != nil {
		t.store.drop(t.old)
		t.old = nil
	}
}

// freshen answers with what is kept, which the upstream says is good still, and keeps
// what it said about it (RFC 9111 §3.2, §4.3.4).
func (t *fetch) freshen(resp *exchange.Response) (*exchange.Response, error) {
	var merged exchange.Header
	merge(&merged, t.old, &resp.Header)
	now, cookies := time.Now(), slices.Collect(resp.Header.Values("set-cookie"))
	tag := entityTag(&resp.Header)
	resp.Body.Close()
	t.store.validated.Add(1)

	e := t.newEntry(offer{
		key: t.old.key, r: t.r, authorized: t.q.authorized, status: t.old.status,
		header: &merged, now: now, delay: now.Sub(t.began),
	})
	ok := e != nil && (tag == "" || weakly(tag, t.old.etag))
	if ok {
		e.etag, e.tags = t.old.etag, orTags(e.tags, t.old.tags)
		e.body, e.size, e.file = t.old.body, t.old.size, t.old.file
		e.saved.Store(t.old.saved.Load())
		if ok = t.store.put(e, t.old, 0, t.epoch); ok {
			t.store.disk.save(e)
		}
	} else {
		t.store.drop(t.old)
	}
	t.flight.land(landing(ok), nil)
	t.flight.unuse()
	if e == nil || tag != "" && !weakly(tag, t.old.etag) {
		e = t.old
	}
	answer := t.serve(t.r, e, &t.q, now, &t.held)
	if answer == nil {
		return nil, &exchange.Error{Fault: exchange.Internal, Err: errFileGone}
	}
	for _, c := range cookies { // this client's own
		answer.Header.Append("set-cookie", c)
	}
	stored := "; fwd-status=304"
	if ok {
		stored += "; stored"
	}
	t.finish(answer, stored)
	return answer, nil
}

func orTags(new, old []string) []string {
	if len(new) > 0 {
		return new
	}
	return old
}

// merge makes h the kept head of e, with what a 304 says in place of what it had. What
// describes the kept bytes themselves stays as it is (RFC 9111 §3.2).
func merge(h *exchange.Header, e *entry, news *exchange.Header) {
	fixed := func(name string) bool {
		switch name {
		case "content-encoding", "content-length", "content-md5", "content-range", "etag":
			return true
		}
		return false
	}
	vary := unionVary(e, news)
	if vary != "" {
		h.Append("vary", vary)
	}
	for _, f := range e.fields {
		if f.Name == "vary" {
			continue
		}
		if f.Name != "date" && !news.Has(f.Name) || fixed(f.Name) { // without a Date it is from now
			h.Append(f.Name, f.Value)
		}
	}
	for name, value := range news.All() {
		if !fixed(name) && name != "set-cookie" && name != "vary" {
			h.Append(name, value)
		}
	}
}

// unionVary returns all names in Vary, of e and of the news: what the kept bytes depend
// on they depend on still.
func unionVary(e *entry, news *exchange.Header) string {
	var old exchange.Header
	for _, f := range e.fields {
		if f.Name == "vary" {
			old.Append(f.Name, f.Value)
		}
	}
	all := old.Joined("vary")
	known, _ := varyNames(&old)
	for list := range news.Values("vary") {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.Trim(name, " \t")
			switch {
			case name == "" || slices.Contains(known, strings.ToLower(name)):
			case all == "":
				all = name
			default:
				all += ", " + name
			}
			known = append(known, strings.ToLower(name))
		}
	}
	return all
}

// weakly compares entity tags (RFC 9110 §8.8.3.2).
func weakly(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}
