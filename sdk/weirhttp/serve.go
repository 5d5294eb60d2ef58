package weirhttp

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/sdk/weir"
)

// Serve makes h what answers the module's requests. It is called from init.
func Serve(h http.Handler) {
	ServeConfigured(func(*weir.Config) (http.Handler, error) { return h, nil })
}

// ServeConfigured makes the handler that new returns for the plugin's configuration what
// answers. new is called for each use of the plugin, in each instance.
func ServeConfigured(new func(c *weir.Config) (http.Handler, error)) {
	http.DefaultTransport = Transport{}
	http.DefaultClient.Transport = Transport{}
	weir.RegisterConfigured(func(c *weir.Config) (weir.Filter, error) {
		h, err := new(c)
		if err != nil {
			return nil, err
		}
		return Filter(h), nil
	})
}

// Filter returns a filter that has h answer, and lets no request go on.
func Filter(h http.Handler) weir.Filter {
	return func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		r.Body.Take()
		detached := new(*weir.Detached)
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), detachedKey{}, detached))
		defer cancel()
		req, err := request(ctx, r)
		if err != nil {
			return weir.Reply(400, "Bad Request\n"), nil
		}
		w := &writer{r: r, req: req, header: http.Header{}}
		err = r.Detach(func(d *weir.Detached) {
			w.d, *detached = d, d
			if b, ok := req.Body.(*body); ok {
				b.d = d
			}
			w.serve(h, req)
		}, cancel)
		if err != nil {
			return nil, err
		}
		return w.finish()
	}
}

// serve calls the handler. A panic fails this request alone, as with net/http's server.
func (w *writer) serve(h http.Handler, req *http.Request) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			w.aborted = true
		default:
			w.aborted = true
			text := "panic serving " + req.URL.Path + ": " + printed(v) + "\n" + string(debug.Stack())
			w.d.Do(func() { weir.LogError(text) })
		}
	}()
	h.ServeHTTP(w, req)
}

func printed(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case string:
		return v
	}
	return "a value that is no error"
}

// request makes net/http's request of one.
func request(ctx context.Context, r *weir.Request) (*http.Request, error) {
	req := &http.Request{
		Method: r.Method(), Host: r.Authority(), RequestURI: r.Path(), Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}
	var err error
	if req.URL, err = url.ParseRequestURI(req.RequestURI); err != nil {
		return nil, err
	}
	for name, value := range r.Header.All() {
		key := http.CanonicalHeaderKey(name)
		req.Header[key] = append(req.Header[key], value)
	}
	if cookies := req.Header["Cookie"]; len(cookies) > 1 { // HTTP/2 may split them (RFC 9113 §8.2.3)
		req.Header["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	if p, ok := r.Property("request", "protocol"); ok {
		proto := version(string(p))
		if major, minor, ok := http.ParseHTTPVersion(proto); ok {
			req.Proto, req.ProtoMajor, req.ProtoMinor = proto, major, minor
		}
	}
	if a, ok := r.Property("source", "address"); ok {
		req.RemoteAddr = string(a)
	}
	if r.Scheme() == "https" {
		req.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: hostname(req.Host)}
	}
	if coding := req.Header.Get("Transfer-Encoding"); coding != "" {
		req.TransferEncoding = []string{coding}
		delete(req.Header, "Transfer-Encoding")
	}
	if !r.Body.Empty() {
		req.ContentLength = -1
		if n, err := strconv.ParseInt(req.Header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
			req.ContentLength = n
		}
		if req.Trailer = trailers(req.Header); req.Trailer == nil {
			req.Trailer = http.Header{} // HTTP/2 need not announce them; copies of req share the map
		}
		req.Body = &body{r: r, trailer: req.Trailer}
	}
	return req.WithContext(ctx), nil
}

// version makes "HTTP/2.0" of "HTTP/2", which has no minor version.
func version(p string) string {
	if p == "HTTP/2" || p == "HTTP/3" {
		return p + ".0"
	}
	return p
}

func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// trailers takes the names of trailers out of a header; nil: there are none.
func trailers(h http.Header) http.Header {
	if len(h["Trailer"]) == 0 {
		return nil
	}
	all := http.Header{}
	for _, line := range h["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			all[http.CanonicalHeaderKey(strings.TrimSpace(name))] = nil
		}
	}
	if len(all) == 0 {
		return nil
	}
	delete(h, "Trailer")
	return all
}
