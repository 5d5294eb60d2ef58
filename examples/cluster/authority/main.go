// Authority is an ACME authority for trying, on loopback and in memory: Pebble, whose
// validators come to whichever node is there now. Whom to believe for its API, and for
// what it issues, it writes to api.pem and root.pem in the directory of -dir.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:14000", "address of the API")
	nodes := flag.String("nodes", "127.0.0.1,127.0.0.2", "addresses of nodes, of which the first that is there is asked for proofs")
	plain := flag.Int("http", 8080, "port of the nodes for HTTP")
	secure := flag.Int("https", 8443, "port of the nodes for HTTPS")
	life := flag.Duration("life", 10*time.Minute, "how long certificates last, in whole seconds")
	dir := flag.String("dir", "run", "where to write api.pem and root.pem")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	zone := &zone{nodes: strings.Split(*nodes, ","), port: *plain}
	if err := run(ctx, *addr, zone, *secure, *life, *dir); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, z *zone, secure int, life time.Duration, dir string) error {
	host, _, _ := net.SplitHostPort(addr)
	for _, a := range append(z.nodes, host) {
		if ip := net.ParseIP(a); ip == nil || !ip.IsLoopback() {
			return &net.AddrError{Err: "this authority proves little, and so works for loopback only", Addr: a}
		}
	}
	resolver, closeDNS, err := z.serve()
	if err != nil {
		return err
	}
	defer closeDNS()
	root, cert, err := identity()
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return err
	}
	handler, issuing := pebble(resolver, z.port, secure, life)
	server := &http.Server{Handler: told(handler), ReadHeaderTimeout: time.Minute}
	defer server.Close()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	err = cmp.Or(os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "api.pem"), root, 0o644),
		os.WriteFile(filepath.Join(dir, "root.pem"), issuing, 0o644))
	if err != nil {
		return err
	}
	log.Printf("authority at https://%s%s", l.Addr(), wfe.DirectoryPath)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// pebble returns the authority's API, and the root of what it issues.
func pebble(resolver string, plain, secure int, life time.Duration) (http.Handler, []byte) {
	// It is told so alone: not to sleep before a validation, to validate each time, and
	// to take every nonce that is good.
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_AUTHZREUSE", "0")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	profile := ca.Profile{Description: "short", ValidityPeriod: uint64(life / time.Second)}
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": profile})
	validator := va.New(quiet, plain, secure, false, resolver, store)
	front := wfe.New(quiet, store, validator, issuer, []string{"pebble.letsencrypt.org"}, false, false, 0, 0)
	return front.Handler(), issuer.GetRootCert(0).PEM()
}

// told prints a line for each order, and has Pebble keep to itself when to renew: it
// suggests any moment at all of such a short life.
func told(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/renewalInfo/"):
			http.NotFound(w, r)
			return
		case r.URL.Path == "/order-plz":
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			log.Print("order: ", ordered(body))
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		next.ServeHTTP(w, r)
	})
}

// ordered says what a signed request wants.
func ordered(jws []byte) string {
	var signed struct{ Payload string }
	var order struct {
		Identifiers []struct{ Value string }
		Replaces    string
	}
	_ = json.Unmarshal(jws, &signed) // Pebble will say what is wrong with it
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	_ = json.Unmarshal(payload, &order)
	var text strings.Builder
	for _, id := range order.Identifiers {
		text.WriteString(id.Value + " ")
	}
	if order.Replaces != "" {
		text.WriteString("in place of an older certificate")
	}
	return strings.TrimSpace(text.String())
}
