package main

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// TestWebSocket_EchoesOverEachProtocol has programs that are not weir's talk through
// it: ws upstream, and clients that upgrade (h1) or make an extended CONNECT (h2, h3).
// None of ten thousand messages is lost, doubled or changed.
func TestWebSocket_EchoesOverEachProtocol(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), strings.ReplaceAll(`
listen: {https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: json}
sites: {localhost: {proxy: ECHO}}
`, "ECHO", clients.EchoWebSocket(t)))
	for _, tt := range []struct{ proto, logged string }{
		{"h1", "HTTP/1.1 /h1 101"},
		{"h2", "HTTP/2.0 /h2 101"},
		{"h3", "HTTP/3.0 /h3 101"},
	} {
		t.Run(tt.proto, func(t *testing.T) {
			t.Parallel()
			client := clients.WebSocket(t, tt.proto, p.root(), "https://"+p.https+"/"+tt.proto, p.udp(), 10_000)
			t.Log(client.Line(t, "echoed 10000"))
			client.End(t)
			if !p.logged(tt.logged) {
				t.Errorf("no %q in the access log: %q", tt.logged, p.accessLines())
			}
		})
	}
}

// udp is p.https for those who do not try ::1 and then 127.0.0.1.
func (p *program) udp() string { return strings.Replace(p.https, "localhost", "127.0.0.1", 1) }
