package nethttp

import (
	"io"
	"net/http"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// BenchmarkClient makes calls to a server of the libraries in the same process, whose
// allocations are counted too; net/http is its client instead of this one.
func BenchmarkClient(b *testing.B) {
	answer := make([]byte, 1<<10)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(answer)
	})
	body := make([]byte, 16<<10)
	for _, m := range upstreamModes {
		for _, method := range []string{"GET", "POST"} {
			b.Run(m.name+"/"+method, func(b *testing.B) {
				c := newTestClient(b, m.start(b, handler))
				b.ReportAllocs()
				buf := make([]byte, 4<<10)
				for b.Loop() {
					call := newCall(method, "/", nil, "accept", "*/*")
					if method == "POST" {
						call.Body = exchange.NewBytes(body)
					}
					resp := new(exchange.Response)
					if err := c.Do(call, resp); err != nil {
						b.Fatal(err)
					}
					for {
						if _, err := resp.Body.Read(buf); err == io.EOF {
							break
						} else if err != nil {
							b.Fatal(err)
						}
					}
					resp.Body.Close()
				}
			})
		}
	}
	b.Run("net/http h2/GET", func(b *testing.B) {
		o := startHTTP2(b, handler, "h2")
		tr := &http.Transport{TLSClientConfig: o.TLS, ForceAttemptHTTP2: true, DisableCompression: true}
		defer tr.CloseIdleConnections()
		conn, err := o.Dial(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		url := "https://" + conn.RemoteAddr().String()
		conn.Close()
		b.ReportAllocs()
		for b.Loop() {
			req, _ := http.NewRequest("GET", url, nil)
			resp, err := tr.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}
