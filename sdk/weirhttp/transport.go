package weirhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
)

// detachedKey is the context key of what a request's goroutine calls the SDK by: a pointer
// to that, which is known only when the context has been made.
type detachedKey struct{}

// Transport is an http.RoundTripper that has the host make calls. It reaches what the
// plugin is granted: origins by their URLs, and upstreams by their names, as
// "upstream://NAME/path". Redirects, cookies and time limits are http.Client's. A
// request's body is read to its end before it is sent; an answer's comes as it is read.
type Transport struct{}

// RoundTrip implements http.RoundTripper.
func (Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var d *weir.Detached
	if held, ok := req.Context().Value(detachedKey{}).(**weir.Detached); ok {
		d = *held
	} else {
		d = weir.Background()
	}
	c := &weir.Call{Method: req.Method, Path: req.URL.RequestURI(), Authority: req.Host}
	if c.Authority == "" {
		c.Authority = req.URL.Host
	}
	target := req.URL.Scheme + "://" + req.URL.Host
	if req.URL.Scheme == "upstream" {
		target = req.URL.Host
		if req.Host == "" || req.Host == req.URL.Host {
			c.Authority = ""
		}
	}
	c.Header = fieldsOf(req.Header)
	if req.Body != nil {
		var err error
		c.Body, err = io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	ctx := req.Context()
	if end, ok := ctx.Deadline(); ok { // the host may give up a little later than we do
		c.Timeout = max(time.Until(end), 0) + late
	}
	err := errEnded
	var a *weir.Answer
	d.DoUntil(ctx.Done(), func() { a, err = weir.Fetch(target, c) })
	if err != nil {
		return nil, cause(ctx, err)
	}
	return response(req, d, a), nil
}

// late is how much longer than its context the host has for a call.
const late = 100 * time.Millisecond

var errEnded = errors.New("the instance has ended")

// cause returns why a call has failed: that its context is over, where it is.
func cause(ctx context.Context, err error) error {
	if over := ctx.Err(); over != nil {
		return over
	}
	return err
}

func response(req *http.Request, d *weir.Detached, a *weir.Answer) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Request: req, ContentLength: -1, Body: &answerBody{ctx: req.Context(), d: d, a: a},
	}
	for name, value := range a.Header.All() {
		resp.Header.Add(name, value)
	}
	if n := resp.Header.Get("Content-Length"); n != "" {
		if _, err := fmt.Sscan(n, &resp.ContentLength); err != nil {
			resp.ContentLength = -1
		}
	}
	return resp
}

// answerBody is the content of an answer.
type answerBody struct {
	ctx context.Context
	d   *weir.Detached
	a   *weir.Answer
}

// Read implements io.Reader.
func (b *answerBody) Read(p []byte) (n int, err error) {
	err = io.ErrUnexpectedEOF
	b.d.DoUntil(b.ctx.Done(), func() { n, err = b.a.Body.Read(p) })
	if err != nil && err != io.EOF {
		err = cause(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *answerBody) Close() error {
	b.d.Do(b.a.Close)
	return nil
}
