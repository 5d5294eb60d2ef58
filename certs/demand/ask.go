package demand

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// endpoint is who is asked by HTTP.
type endpoint struct {
	url    *url.URL
	shown  string // for people: without query and password
	client *http.Client
	pool   *http.Transport
}

func parseEndpoint(text string) (*endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The whole text may hold a password.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("ask: not a URL: %w", err)
	}
	shown := *u
	shown.RawQuery, shown.ForceQuery, shown.Fragment = "", false, ""
	e := &endpoint{url: u, shown: shown.Redacted()}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("ask %q: has to begin with http:// or https://", e.shown)
	case u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("ask %q: names no host", e.shown)
	case u.Fragment != "":
		return nil, fmt.Errorf("ask %q: a fragment is not sent", e.shown)
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, fmt.Errorf("ask %q: query: %w", e.shown, err)
	}
	e.pool = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment, // which leaves loopback alone
		MaxResponseHeaderBytes: 16 << 10,
		MaxConnsPerHost:        mostAsking + 1,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
	}
	e.client = &http.Client{
		Transport:     e.pool,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// ask asks about name: nil is a yes, a denial a no, everything else a failure.
func (e *endpoint) ask(ctx context.Context, name string, client netip.Addr) error {
	status, location, err := e.get(ctx, name, client)
	about := fmt.Sprintf("ask %s about %s: ", e.shown, name)
	if err != nil {
		return fmt.Errorf("%s%w", about, plain(ctx, err))
	}
	text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return fmt.Errorf("%s%s to %.100q: redirects are not followed", about, text, location)
	case status < 400 || status >= 500, status == http.StatusProxyAuthRequired, status == http.StatusRequestTimeout,
		status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return fmt.Errorf("%s%s", about, text)
	}
	return &denial{about + text}
}

func (e *endpoint) get(ctx context.Context, name string, client netip.Addr) (status int, location string, err error) {
	u := *e.url
	q := u.Query()
	q.Set("domain", name)
	q.Del("client_ip")
	if client = client.Unmap().WithZone(""); client.IsValid() {
		q.Set("client_ip", client.String())
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "weir")
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	// The status is the answer. What follows is left to Close, which reads a little of
	// it for the connection's sake, and not on our time.
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location"), nil
}

// plain takes from a client's error what repeats the question, whose query may hold a
// secret, and bounds what repeats the answer.
func plain(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errTimeout
	}
	if text := err.Error(); len(text) > 200 {
		return &shortened{strings.ToValidUTF8(text[:200], "") + "…", err}
	}
	return err
}

// shortened is an error whose text was cut.
type shortened struct {
	text string
	err  error
}

func (s *shortened) Error() string { return s.text }
func (s *shortened) Unwrap() error { return s.err }

var errTimeout = errors.New("no answer in time")

// askMissing asks about a name that cannot exist (RFC 6761 §6.4).
func (e *endpoint) askMissing(ctx context.Context, client netip.Addr) error {
	return e.ask(ctx, strings.ToLower(rand.Text())+".invalid", client)
}
