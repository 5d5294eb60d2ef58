package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, target, want string
		status               int
	}{
		{"GET", "/", "Hello from {{name}}.\n", http.StatusOK},
		{"GET", "http://example.com/hello/Ada", "Hello, Ada, at example.com.\n", http.StatusOK},
		{"GET", "/nothing", "404 page not found\n", http.StatusNotFound},
		{"DELETE", "/", "Method Not Allowed\n", http.StatusMethodNotAllowed},
	} {
		w := httptest.NewRecorder()
		routes().ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if w.Code != c.status || w.Body.String() != c.want {
			t.Errorf("%s %s: got %d %q, want %d %q", c.method, c.target, w.Code, w.Body, c.status, c.want)
		}
	}
}
