package cache

import (
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// targeted are the fields that speak to caches like this one; the first that is there
// and not empty counts, in place of Cache-Control, Expires and the others (RFC 9213
// §2.2). Surrogate-Control is their ancestor, which many applications still send.
var targeted = [...]string{"cdn-cache-control", "surrogate-control", "cache-control"}

// policy is what a response says about its being kept.
type policy struct {
	directives
	lifetime int64 // seconds; unsaid if the response says nothing
	age      int64 // seconds that it was old when it came
}

// policyOf reads a response that came now, after delay.
func policyOf(h *exchange.Header, now time.Time, delay time.Duration) policy {
	p := policy{lifetime: unsaid}
	speaker := "cache-control"
	for _, name := range targeted {
		if strings.Trim(h.Get(name), " \t,") != "" {
			speaker = name
			break
		}
	}
	p.directives = parseDirectives(h, speaker)
	plain := speaker == "cache-control"
	date, hasDate := dateOf(h, "date")
	if !hasDate {
		date = now
	}
	switch {
	case p.sMaxAge != unsaid:
		p.lifetime = p.sMaxAge
	case p.maxAge != unsaid:
		p.lifetime = p.maxAge
	case plain && h.Has("expires"):
		p.lifetime = 0 // one that is no date has passed (RFC 9111 §5.3)
		if expires, ok := dateOf(h, "expires"); ok {
			p.lifetime = min(max(0, int64(expires.Sub(date)/time.Second)), forever)
		}
	}
	age, ok := ageOf(h)
	if !ok {
		p.lifetime = min(p.lifetime, 0)
	}
	// RFC 9111 §4.2.3
	apparent := max(0, int64(now.Sub(date)/time.Second))
	p.age = max(apparent, age+int64((delay+time.Second/2)/time.Second))
	return p
}

// dateOf reads a field that is a date. Several of them, or one that is no date, are none.
func dateOf(h *exchange.Header, name string) (time.Time, bool) {
	value, n := "", 0
	for v := range h.Values(name) {
		value = v
		n++
	}
	if n != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(value)
	return t, err == nil
}

// ageOf reads Age. Of a list the first member counts (RFC 9111 §5.1), if one sender
// wrote it; where several caches have added theirs, by fields of their own or joined
// ones, and where it is no number, nobody knows how old the response is: ok is false.
func ageOf(h *exchange.Header) (seconds int64, ok bool) {
	n := 0
	for v := range h.Values("age") {
		if n++; n > 1 {
			return 0, false
		}
		first, rest, _ := strings.Cut(v, ",")
		seconds = number(first, unsaid)
		if seconds == unsaid || first[0] == '"' || strings.Trim(rest, "0123456789") != "" {
			return 0, false
		}
	}
	return seconds, true
}
