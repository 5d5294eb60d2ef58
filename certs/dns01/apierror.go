package dns01

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// APIError is the answer of a provider's API that is no success.
type APIError struct {
	Provider   string        // the kind: "cloudflare"
	Operation  string        // what was asked: "create record"
	Status     int           // of the HTTP answer
	Message    string        // what the API said, on one line, without secrets; may be ""
	RetryAfter time.Duration // how long the API wants to be left alone; 0 if it did not say
}

// Error implements error.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s: %d %s", e.Operation, e.Provider, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	switch e.Status {
	case http.StatusUnauthorized:
		b.WriteString(" (are the credentials right?)")
	case http.StatusForbidden:
		b.WriteString(" (may these credentials change this zone?)")
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (again in %v)", e.RetryAfter)
	}
	return b.String()
}

// transportError is the lack of an answer.
type transportError struct{ error }

func (e *transportError) Unwrap() error { return e.error }

func status(err error) int {
	if e, ok := errors.AsType[*APIError](err); ok {
		return e.Status
	}
	return 0
}

func (c *client) refusal(k call, w *http.Response, answer []byte) error {
	e := &APIError{Provider: c.provider, Operation: k.op, Status: w.StatusCode, RetryAfter: retryAfter(w.Header)}
	if len(answer) <= answerBytes {
		e.Message = c.plain(c.message(answer))
	}
	if e.Message == "" && w.StatusCode >= 300 && w.StatusCode < 400 {
		e.Message = "the API is elsewhere; check endpoint"
	}
	return e
}

// plain makes foreign words fit for a log: no secrets, one line, not too long.
func (c *client) plain(s string) string {
	const most = 300
	s = c.redact.Replace(strings.ToValidUTF8(s, "?"))
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " ..."
	}
	return s
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at).Round(time.Second))
	}
	return 0
}

// pause says how long to wait before a call is made again, and whether to make it. A
// rate limit was not reached by anything having been done, so any call can wait for it;
// other failures leave open whether it was.
func (c *client) pause(k call, err error, try int) (time.Duration, bool) {
	if try >= attempts {
		return 0, false
	}
	slow := c.pace << try
	again := k.again || k.method != http.MethodPost
	if e, ok := errors.AsType[*APIError](err); ok {
		switch {
		case e.Status == http.StatusTooManyRequests, e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0:
			return max(e.RetryAfter, slow), e.RetryAfter <= longestPause
		case e.Status >= 500:
			return slow, again
		}
		return 0, false
	}
	_, lost := errors.AsType[*transportError](err)
	return slow, lost && again
}
