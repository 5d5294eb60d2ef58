package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// poll asks until the answer is yes. There is no signal to wait for: what changes
// is in another process.
func poll(ts *testscript.TestScript, what string, yes func() bool) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if yes() {
			return
		}
	}
	ts.Fatalf("%s: not in 20 s", what)
}

// eventually URL TEXT waits until the answer holds the text; with -H, until its header
// does.
func cmdEventually(ts *testscript.TestScript, _ bool, args []string) {
	head := args[0] == "-H"
	if head {
		args = args[1:]
	}
	poll(ts, strings.Join(args, " "), func() bool {
		resp, err := http.Get(args[0])
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		if head {
			var b strings.Builder
			resp.Header.Write(&b)
			return strings.Contains(b.String(), args[1])
		}
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), args[1])
	})
}

// certificate NAME writes cert.pem and key.pem, as renewing programs do: each file
// replaced in one step.
func cmdCertificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: args[0]}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	write := func(name, kind string, der []byte) {
		path := ts.MkAbs(name)
		ts.Check(os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		ts.Check(os.Rename(path+".new", path))
	}
	write("key.pem", "PRIVATE KEY", private)
	write("cert.pem", "CERTIFICATE", cert)
}

// presents ADDRESS NAME waits until the server has a certificate of that name.
func cmdPresents(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, strings.Join(args, " "), func() bool {
		// Looked at, not trusted: who signed it is not the question here.
		c, err := tls.Dial("tcp", args[0], &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		if err != nil {
			return false
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName == args[1]
	})
}
