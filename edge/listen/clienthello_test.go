package listen_test

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/listen"
)

// byteWise sends each byte in a write of its own.
type byteWise struct{ net.Conn }

func (b byteWise) Write(p []byte) (int, error) {
	for i := range p {
		if n, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}

// A ClientHello in single bytes behind a PROXY header in single bytes selects by
// the same name as one in one piece: nothing peeks at it (Traefik CVE-2026-32305
// and its kin chose default options when they could not read it at once).
func TestSecurity_P7_SplitClientHelloKeepsItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			split := byteWise{client}
			_, _ = split.Write([]byte("PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r\n"))
			_ = tls.Client(split, &tls.Config{ServerName: "mtls.example"}).Handshake()
		}()
		src, _, _, err := listen.ReadProxy(server, time.Now().Add(time.Minute))
		if err != nil || src != src4 {
			t.Fatalf("ReadProxy = %v, %v; want %v", src, err, src4)
		}
		seen, enough := "", errors.New("seen enough")
		err = tls.Server(server, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			seen = h.ServerName
			return nil, enough
		}}).Handshake()
		if !errors.Is(err, enough) || seen != "mtls.example" {
			t.Errorf("server saw the name %q, %v; want mtls.example", seen, err)
		}
		_, _ = client.Close(), server.Close()
	})
}
