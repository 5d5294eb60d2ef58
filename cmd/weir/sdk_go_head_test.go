package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestSDK_WhoWantsNoBodyGetsNone: a filter that streams its answer need not know who asks
// by HEAD, and nothing is cut or complained of.
func TestSDK_WhoWantsNoBodyGetsNone(t *testing.T) {
	t.Parallel()
	s := &slow{}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "304" {
			w.WriteHeader(304)
			return
		}
		io.WriteString(w, "some text")
	})
	for _, proto := range []string{"h1", "h2", "h3"} {
		l := p.leaver(t, proto)
		t.Cleanup(l.cut)
		for _, path := range []string{"/stream", "/fetch", "/turn", "/stream?204", "/turn?304"} {
			method, status := "HEAD", 200
			if _, n, ok := strings.Cut(path, "?"); ok {
				method = "GET"
				status, _ = strconv.Atoi(n)
			}
			req, err := http.NewRequest(method, l.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := l.RoundTrip(req)
			if err != nil {
				t.Fatalf("%s %s over %s: %v\n%s", method, path, proto, err, p.tail())
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || len(b) > 0 || resp.StatusCode != status {
				t.Errorf("%s %s over %s: %s %q %v", method, path, proto, resp.Status, b, err)
			}
		}
	}
	until(t, "streams to be over", func() bool { return p.metric(t, "weir_plugin_streams"+plugin) == 0 })
	if log := p.tail(); strings.Contains(log, "guest says") {
		t.Errorf("complaints:\n%s", log)
	}
}
