package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// hasty is an upstream that answers when it has read a byte of the request: with what
// follows as it comes, at /echo, else in short.
func hasty(t *testing.T) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		control.EnableFullDuplex()
		p := make([]byte, 100)
		n, err := io.ReadAtLeast(r.Body, p, 1)
		if err != nil {
			t.Errorf("upstream: %v", err)
		}
		if r.URL.Path != "/echo" {
			io.WriteString(w, "early")
			return
		}
		for err == nil {
			w.Write(p[:n])
			control.Flush()
			n, err = r.Body.Read(p)
		}
		w.Write(p[:n])
	})}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

// TestEarlyAnswers: a client that takes its time to send reads what the upstream says
// meanwhile, and may go on.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			f := newFixtureOf(t, scheme+"://"+hasty(t))
			begin := func(path string) (net.Conn, *http.Response) {
				c := f.dial(t)
				c.SetDeadline(deadline())
				fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0000\r\n", path)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("%s: got %+v, %v", path, resp, err)
				}
				return c, resp
			}
			start := time.Now()
			_, resp := begin("/short")
			if b, err := io.ReadAll(resp.Body); string(b) != "early" || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
			t.Logf("answered after %v", time.Since(start))

			c, resp := begin("/echo")
			for i := range 20 {
				want, got := fmt.Sprintf("%04d", i), make([]byte, 4)
				if i > 0 {
					fmt.Fprintf(c, "4\r\n%s\r\n", want)
				}
				if _, err := io.ReadFull(resp.Body, got); string(got) != want {
					t.Fatalf("got %q, %v, want %q", got, err, want)
				}
			}
			io.WriteString(c, "0\r\n\r\n")
			if b, err := io.ReadAll(resp.Body); len(b) > 0 || err != nil {
				t.Errorf("at the end: got %q, %v", b, err)
			}
		})
	}
}
