package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestSDK_UpgradesPassByATransform: what is no longer HTTP is not a body, and goes both
// ways untouched.
func TestSDK_UpgradesPassByATransform(t *testing.T) {
	t.Parallel()
	s := &slow{}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			w.WriteHeader(400)
			return
		}
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, rw)
	})
	c, err := net.Dial("tcp", p.http)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /turn HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v\n%s", resp, err, p.tail())
	}
	for _, text := range []string{"hello", "again"} {
		io.WriteString(c, text)
		b := make([]byte, len(text))
		if _, err := io.ReadFull(r, b); err != nil || string(b) != text {
			t.Errorf("got %q, %v", b, err)
		}
	}
}

// TestSDK_ClientsThatAskToSend: who waits for 100 Continue is told to send when the filter
// reads, and not before.
func TestSDK_ClientsThatAskToSend(t *testing.T) {
	t.Parallel()
	s := &slow{}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d", len(b))
	})
	for _, path := range []string{"/peek", "/take", "/turn", "/"} {
		c, err := net.Dial("tcp", p.http)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", path)
		r := bufio.NewReader(c)
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Errorf("%s: got %q, %v\n%s", path, line, err, p.tail())
			continue
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Error(err)
		}
		io.WriteString(c, "hello")
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v, %v", path, resp, err)
		}
	}
}
