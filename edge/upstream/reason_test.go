package upstream

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// TestReason_HintsAtSettings: endpoints that are there and of another kind.
func TestReason_HintsAtSettings(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(hello))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS() // without HTTP/2
	defer secure.Close()
	ca := certFile(t, secure.Certificate())
	at, secureAt := plain.Listener.Addr().String(), secure.Listener.Addr().String()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, c := range []struct {
		url  string
		tls  TLS
		want string
	}{
		{"https://" + at, TLS{}, "(it speaks no TLS: is it an http:// or h2c:// endpoint?)"},
		{"h2://" + at, TLS{}, "(it speaks no TLS: is it an http:// or h2c:// endpoint?)"},
		{"https://" + secureAt, TLS{}, "(its authority can be named as tls: ca)"},
		{"https://" + secureAt, TLS{CA: []string{ca}, ServerName: "else.test"}, "not else.test (the name to verify can be set as tls: server_name)"},
		{"h2://" + secureAt, TLS{CA: []string{ca}}, "(it speaks no HTTP/2 or HTTP/3: is it an https:// endpoint?)"},
		{"http://" + gone.Addr().String(), TLS{}, "connection refused"},
	} {
		_, p := realPool(t, Settings{Endpoints: []Endpoint{{URL: c.url}}, TLS: c.tls})
		var resp exchange.Response
		_, err := p.Do(newCall(), &resp)
		if statusOf(err) != 502 {
			t.Errorf("%s, %+v: got %v, want 502", c.url, c.tls, err)
			continue
		}
		text := err.Error()
		if !strings.HasPrefix(text, "ask ") || strings.Contains(text, "502") || !strings.HasSuffix(text, c.want) {
			t.Errorf("%s, %+v: got %q, want no status and %q", c.url, c.tls, text, c.want)
		}
	}
}
