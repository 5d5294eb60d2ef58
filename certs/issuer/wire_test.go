package issuer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTame(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		method string
		status int
		field  string
		want   []string // one of these
	}{
		{"POST", 200, "", []string{""}},
		{"POST", 200, "0", []string{""}},
		{"POST", 200, "3", []string{"3"}},
		{"POST", 200, "86400", []string{"15"}}, // ZeroSSL
		{"POST", 200, "99999999999999999999", []string{"15"}},
		{"POST", 200, "-1", []string{""}},
		{"POST", 200, "later", []string{""}},
		{"POST", 200, soon, []string{"4", "5"}},
		{"POST", 201, "Thu, 01 Jan 1970 00:00:00 GMT", []string{""}},
		{"POST", 429, "86400", []string{"86400"}},
		{"GET", 200, "21600", []string{"21600"}}, // renewal information
	} {
		resp := &http.Response{
			StatusCode: c.status, Request: &http.Request{Method: c.method}, Body: http.NoBody,
			Header: http.Header{"Retry-After": {c.field}, "Link": {`<https://ca.example/>; rel="up"`}},
		}
		tame(resp)
		got := resp.Header.Get("Retry-After")
		ok := false
		for _, w := range c.want {
			ok = ok || got == w
		}
		if !ok {
			t.Errorf("%s, %d, Retry-After: %q becomes %q, want one of %q", c.method, c.status, c.field, got, c.want)
		}
		if resp.Header.Get("Link") != "" {
			t.Error("links are left")
		}
	}
}

func TestTame_BoundsBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		kind   string
		size   int
		want   int
		err    error
	}{
		{200, "application/json", maxAnswer, maxAnswer, nil},
		{200, "application/json", maxAnswer + 1, maxAnswer, errTooLong},
		{400, "application/problem+json", maxRefusal, maxRefusal, nil},
		{400, "application/problem+json", maxRefusal + 1, maxRefusal, nil},
		{502, "text/html", 100 << 10, maxPage, nil},
	} {
		resp := &http.Response{
			StatusCode: c.status, Request: &http.Request{Method: "POST"}, Header: http.Header{"Content-Type": {c.kind}},
			Body: io.NopCloser(bytes.NewReader(make([]byte, c.size))),
		}
		tame(resp)
		body, err := io.ReadAll(resp.Body)
		if c.size == c.want && errors.Is(err, errTooLong) {
			err = nil // it cannot know that nothing follows
		}
		if len(body) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d %s of %d bytes: %d are read, %v; want %d, %v", c.status, c.kind, c.size, len(body), err, c.want, c.err)
		}
	}
}

// What is said of an error is for people, on one line, and has an end.
func TestError_Text(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 5, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		e    Error
		want string
	}{
		{
			Error{CA: "letsencrypt", Name: "example.com", Challenge: "http-01", Type: "connection", Detail: "203.0.113.9: Connection refused", Hint: "open port 80"},
			"example.com: letsencrypt, http-01, connection: 203.0.113.9: Connection refused; open port 80",
		},
		{
			Error{CA: "letsencrypt", Name: "example.com", Type: "rateLimited", Detail: "too many certificates", RetryAt: at},
			"example.com: letsencrypt, rateLimited: too many certificates; not to be asked again before 2026-12-05 10:00:00 UTC",
		},
		{Error{CA: "ca", Err: errors.New("it\nbroke\x1b[2J")}, "ca: it broke [2J"},
		{Error{CA: "ca"}, "ca"},
	} {
		if got := c.e.Error(); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
	long := &Error{CA: "ca", Err: fmt.Errorf("place order: %s", strings.Repeat("x", 1<<20))}
	if got := len(long.Error()); got > 1000 {
		t.Errorf("text of %d bytes", got)
	}
}
