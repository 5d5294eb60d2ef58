package http1

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// quiet answers every request with 1 KB and allocates nothing per request.
func quiet(c *net.TCPConn, heard io.Reader, size int) {
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"), constantBody...)
	buf := make([]byte, 64<<10)
	for got := 0; ; {
		n, err := heard.Read(buf)
		if err != nil {
			return
		}
		if got == 0 {
			got -= bytes.Index(buf[:n], headEnd) + 4
		}
		if got += n; got < size {
			continue
		}
		got = 0
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func quietUpstream(b *testing.B, size int) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go quiet(c.(*net.TCPConn), c, size)
		}
	}()
	b.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// BenchmarkClient compares with net/http's Transport; the upstream's cost is in both.
func BenchmarkClient(b *testing.B) {
	for _, bb := range []struct {
		name   string
		method string
		size   int
	}{{"get1k", "GET", 0}, {"post16k", "POST", 16 << 10}} {
		content := bytes.Repeat([]byte("x"), bb.size)
		b.Run(bb.name+"/weir", func(b *testing.B) {
			c := clientOf(b, quietUpstream(b, bb.size))
			resp, body, buf := new(exchange.Response), exchange.NewBytes(nil), make([]byte, 4096)
			call := getCall()
			call.Method = bb.method
			call.Header.Append("user-agent", "curl/8")
			call.Header.Append("accept", "*/*")
			b.ReportAllocs()
			for b.Loop() {
				if call.Body = exchange.NoBody; bb.size > 0 {
					*body = *exchange.NewBytes(content)
					call.Body = body
				}
				resp.Header.Reset()
				if err := c.Do(call, resp); err != nil {
					b.Fatal(err)
				}
				n := 0
				for {
					m, err := resp.Body.Read(buf)
					if n += m; err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				if n != 1024 {
					b.Fatal(n)
				}
				resp.Body.Close()
			}
		})
		b.Run(bb.name+"/nethttp", func(b *testing.B) {
			transport := &http.Transport{DisableCompression: true}
			defer transport.CloseIdleConnections()
			url, buf := "http://"+quietUpstream(b, bb.size)+"/x?y", make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(context.Background(), bb.method, url, bytes.NewReader(content))
				if err != nil {
					b.Fatal(err)
				}
				resp, err := transport.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				if n, _ := io.ReadFull(resp.Body, buf[:1024]); n != 1024 {
					b.Fatal(n)
				}
				if _, err := resp.Body.Read(buf); err != io.EOF {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
}
