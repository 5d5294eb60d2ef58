package dns01

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	attemptTime  = 20 * time.Second // one request and its answer
	answerBytes  = 1 << 20          // of an answer
	attempts     = 4                // of a request that may be repeated
	longestPause = 90 * time.Second // that an API may ask for between two
)

// client speaks to one HTTP API. What is secret is in closures only: nothing that prints
// a client shows it.
type client struct {
	provider string
	base     *url.URL
	http     *http.Client
	pace     time.Duration // the first pause before something is asked for again
	form     format
	sign     func(r *http.Request, body []byte) // adds credentials
	message  func(answer []byte) string         // what an error's answer says, "" if nothing
	redact   *strings.Replacer
}

// format is how bodies are written and read.
type format struct {
	mime   string
	encode func(any) ([]byte, error)
	decode func([]byte, any) error
}

func jsonFormat() format { return format{"application/json", json.Marshal, json.Unmarshal} }

// call is one request.
type call struct {
	op     string // for errors: "create record"
	method string
	path   []string // parts below the base; escaped here; an empty one ends with a slash
	query  url.Values
	in     any  // the body; nil for none
	out    any  // what the answer is read into; nil to ignore it
	again  bool // repeating it does no harm, though the method would
}

// endpoint reads a setting that is the URL of an API; absent takes the place of an empty
// one.
func endpoint(s settings, setting, absent string) (*url.URL, error) {
	u, err := url.Parse(cmp.Or(s.get(setting), absent))
	if err != nil {
		return nil, s.wrong(setting, "is no URL")
	}
	switch {
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, s.wrong(setting, "has to begin with https:// and a host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, s.wrong(setting, "is a host and a path, nothing more")
	case u.Scheme == "http" && !nearby(u.Hostname()):
		return nil, s.wrong(setting, "with http:// everybody between here and there reads the credentials; use https://")
	}
	return u, nil
}

// nearby reports whether plain HTTP to a host stays in the house: loopback and private
// addresses, and names without a dot, as containers have them.
func nearby(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	return !strings.Contains(host, ".")
}

// newClient makes a client for an API. secrets are blanked out of whatever it reports.
func newClient(provider string, base *url.URL, secrets ...string) *client {
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s, "[redacted]")
		}
	}
	return &client{
		provider: provider, base: base, form: jsonFormat(), redact: strings.NewReplacer(pairs...),
		pace: 250 * time.Millisecond,
		http: &http.Client{
			Timeout: attemptTime,
			// Nobody but the API may see the credentials.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
				DialContext:         (&net.Dialer{Timeout: attemptTime / 2}).DialContext,
				TLSHandshakeTimeout: attemptTime / 2, IdleConnTimeout: 5 * time.Second,
				MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 2,
			},
		},
	}
}

// bearer adds a token as most APIs want it.
func bearer(header, prefix, token string) func(*http.Request, []byte) {
	return func(r *http.Request, _ []byte) { r.Header.Set(header, prefix+token) }
}

// do makes the call, again if it failed in passing, and reads the answer. An answer of
// the API that is no success is an [APIError].
func (c *client) do(ctx context.Context, k call) error {
	var body []byte
	if k.in != nil {
		var err error
		if body, err = c.form.encode(k.in); err != nil {
			return fmt.Errorf("%s at %s: %w", k.op, c.provider, err)
		}
	}
	target, err := c.target(k)
	if err != nil {
		return fmt.Errorf("%s at %s: %w", k.op, c.provider, err)
	}
	for try := 1; ; try++ {
		answer, err := c.once(ctx, k, target, body)
		if err == nil {
			return c.read(k, answer)
		}
		wait, again := c.pause(k, err, try)
		if !again || !sleep(ctx, wait) {
			return err
		}
	}
}

// target is the address of a call. Parts of the path may come from an API: they are
// escaped, and what would lead elsewhere is refused.
func (c *client) target(k call) (string, error) {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(c.base.JoinPath().String(), "/"))
	for i, part := range k.path {
		if part == "." || part == ".." || part == "" && i < len(k.path)-1 {
			return "", fmt.Errorf("build address: part %q", part)
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(part))
	}
	if len(k.query) > 0 {
		b.WriteByte('?')
		b.WriteString(strings.ReplaceAll(k.query.Encode(), "+", "%20"))
	}
	return b.String(), nil
}

func (c *client) once(ctx context.Context, k call, target string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, k.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", k.op, c.provider, err)
	}
	r.Header.Set("User-Agent", "weir")
	r.Header.Set("Accept", c.form.mime)
	if body != nil {
		r.Header.Set("Content-Type", c.form.mime)
	}
	c.sign(r, body)
	w, err := c.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, &transportError{fmt.Errorf("%s at %s (%s): %w", k.op, c.provider, c.base.Host, err)}
	}
	defer w.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(w.Body, answerBytes+1))
	switch {
	case w.StatusCode < 200 || w.StatusCode > 299:
		return nil, c.refusal(k, w, answer)
	case err != nil:
		return nil, &transportError{fmt.Errorf("%s at %s: read answer: %w", k.op, c.provider, err)}
	case len(answer) > answerBytes:
		return nil, fmt.Errorf("%s at %s: read answer: it has more than %d bytes", k.op, c.provider, answerBytes)
	}
	return answer, nil
}

func (c *client) read(k call, answer []byte) error {
	if k.out == nil {
		return nil
	}
	if err := c.form.decode(answer, k.out); err != nil {
		return fmt.Errorf("%s at %s: read answer: %s", k.op, c.provider, c.plain(err.Error()))
	}
	return nil
}

// sleep waits, and reports whether it did: not if ctx ends before that.
func sleep(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
