package issuer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds on what an authority may say.
const (
	maxAnswer  = 1 << 20             // bytes of an answer
	maxRefusal = 16 << 10            // of a problem document
	maxPage    = 200                 // of a page in its place
	maxWait    = 31 * 24 * time.Hour // that Retry-After may ask for
	maxPoll    = 15 * time.Second    // between two looks at an order; ZeroSSL has asked for a day
)

var errTooLong = errors.New("the authority's answer is longer than 1 MiB")

// wire carries requests to an authority. It bounds its answers, and takes note of its
// clock and of how long it wants to be left alone.
type wire struct {
	transport *http.Transport
	plain     bool // the authority speaks HTTP, on this machine

	mu      sync.Mutex
	skew    time.Duration
	skewAt  time.Time // zero: not known
	replies map[string][]byte
}

func newWire(roots *x509.CertPool, plain bool) *wire {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &wire{plain: plain, transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}}
}

// client returns a client over w. A signed request is for one URL: it is not sent after
// a redirection.
func (w *wire) client() *http.Client {
	return &http.Client{
		Transport: w,
		Timeout:   45 * time.Second,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.Method != http.MethodGet && r.Method != http.MethodHead {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if !private(r.URL, w.plain) {
		return nil, fmt.Errorf("the authority leads to %q, which is not encrypted", brief(r.URL.Redacted()))
	}
	if held := w.held(r); held != nil {
		return held, nil
	}
	began := time.Now()
	resp, err := w.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.noteClock(resp, began)
	noteRefusal(r.Context(), resp)
	tame(resp)
	return resp, nil
}

// noteClock compares the authority's clock with ours, in the middle of the exchange.
func (w *wire) noteClock(resp *http.Response, began time.Time) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	now := time.Now()
	middle := began.Add(now.Sub(began) / 2)
	w.mu.Lock()
	defer w.mu.Unlock()
	// The field has whole seconds: half of one is the best guess of the rest.
	w.skew, w.skewAt = date.Add(500*time.Millisecond).Sub(middle), now
}

// Skew is how far the authority's clock was ahead of ours when it last answered, to a
// second or so.
func (i *Issuer) Skew() (ahead time.Duration, at time.Time, known bool) {
	i.wire.mu.Lock()
	defer i.wire.mu.Unlock()
	return i.wire.skew, i.wire.skewAt, !i.wire.skewAt.IsZero()
}

// refusal is the last answer to a call, if it was an error.
type refusal struct {
	mu      sync.Mutex
	status  int
	retryAt time.Time
}

type refusalKey struct{}

// withRefusal has what is refused under the context be noted.
func withRefusal(ctx context.Context) (context.Context, *refusal) {
	r := &refusal{}
	return context.WithValue(ctx, refusalKey{}, r), r
}

func (r *refusal) last() (status int, retryAt time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status, r.retryAt
}

func noteRefusal(ctx context.Context, resp *http.Response) {
	r, ok := ctx.Value(refusalKey{}).(*refusal)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.retryAt = 0, time.Time{}
	if resp.StatusCode >= 400 {
		r.status = resp.StatusCode
		if d, ok := retryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
			r.retryAt = time.Now().Add(d)
		}
	}
}

// retryAfter reads a Retry-After field (RFC 9110 §10.2.3). What has passed is no wait,
// and nobody waits longer than maxWait.
func retryAfter(field string, now time.Time) (time.Duration, bool) {
	field = strings.TrimSpace(field)
	if field == "" {
		return 0, false
	}
	if strings.Trim(field, "0123456789") == "" {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || n > int64(maxWait/time.Second) {
			return maxWait, true
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(field)
	if err != nil || !at.After(now) {
		return 0, false
	}
	return min(at.Sub(now), maxWait), true
}

// tame takes from an answer what the client below would follow too far: polling as
// often or as seldom as the authority likes, chains without an end. Renewal
// information, which is read here, is left alone.
func tame(resp *http.Response) {
	resp.Header.Del("Link")
	if resp.StatusCode < 400 && resp.Request.Method == http.MethodPost {
		d, ok := retryAfter(resp.Header.Get("Retry-After"), time.Now())
		if resp.Header.Del("Retry-After"); ok && d > 0 {
			resp.Header.Set("Retry-After", strconv.Itoa(int((min(d, maxPoll)+time.Second-1)/time.Second)))
		}
	}
	limit, tooLong := int64(maxAnswer), errTooLong
	if resp.StatusCode >= 400 {
		limit, tooLong = maxPage, io.EOF // the beginning says what it is about
		if strings.Contains(resp.Header.Get("Content-Type"), "json") {
			limit = maxRefusal
		}
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: limit, tooLong: tooLong}
}

type boundedBody struct {
	io.ReadCloser
	left    int64
	tooLong error
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.tooLong
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// hold has requests for url, whose fragment counts, be answered with body from now on.
func (w *wire) hold(url string, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies = map[string][]byte{url: body}
}

func (w *wire) held(r *http.Request) *http.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, ok := w.replies[r.URL.String()]
	if !ok || r.Method != http.MethodGet {
		return nil
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}
