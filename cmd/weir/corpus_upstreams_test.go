package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sighting is a request as an upstream saw it.
type sighting struct {
	Method, Target, Host string
	Header               http.Header
	Body                 string
}

const seenType = "application/vnd.weir.seen+json"

// guestUpstreams are the services that guests of the corpus call, by name, and the one
// that they stand before, which is called app.
func guestUpstreams(t *testing.T) map[string]string {
	t.Helper()
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewUnstartedServer(h)
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	return map[string]string{
		"app":     serve(tell),
		"httpbin": serve(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Answer")) }),
		"auth":    serve(checkToken),
		"echo":    "h2c://" + serve(echoMessage),
	}
}

// tell answers with what it was asked; /say?TEXT with that text.
func tell(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Upstream", "app")
	if r.URL.Path == "/say" {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, strings.ReplaceAll(r.URL.RawQuery, "+", " "))
		return
	}
	w.Header().Set("Content-Type", seenType)
	json.NewEncoder(w).Encode(sighting{r.Method, r.URL.RequestURI(), r.Host, r.Header, string(body)})
}

// checkToken knows one token, and wants it in a field and in the body.
func checkToken(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method != "POST" || r.URL.Path != "/check" || r.Header.Get("X-Token") != "sesame" || string(body) != "sesame" {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "no such token")
		return
	}
	io.WriteString(w, "ali")
}

// echoMessage is a gRPC method that answers with its message and the x-from of its
// metadata, or, for the message "fail", with status 5.
func echoMessage(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	if r.URL.Path != "/test.Echo/Say" || len(body) < 5 || string(body[5:]) == "fail" {
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "no such thing")
		return
	}
	message := r.Header.Get("X-From") + " says " + string(body[5:])
	head := make([]byte, 5)
	binary.BigEndian.PutUint32(head[1:], uint32(len(message)))
	w.Write(append(head, message...))
	w.Header().Set("Grpc-Status", "0")
}
