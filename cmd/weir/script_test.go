package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts below testdata/script run this program as a user would.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir": main, "backend": backend})
}

func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("WEIR_DATA_DIR", e.WorkDir+"/data")
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/none")
			e.Setenv("HOME", e.WorkDir)
			e.Values[theManager{}] = new(manager)
			for _, name := range []string{"HTTP", "HTTPS", "ADMIN", "ONE", "TWO"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				e.Setenv(name, port)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"get":      cmdGet,
			"ready":    cmdReady,
			"expect":   cmdExpect,
			"signal":   cmdSignal,
			"exitcode": cmdExitCode,
			"manager":  cmdManager,
			"notified": cmdNotified,
			"activate": cmdActivate,
			"hold":     cmdHold,

			"eventually":  cmdEventually,
			"guest":       cmdGuest,
			"certificate": cmdCertificate,
			"presents":    cmdPresents,
		},
	})
}

// ports counts those that freePort has given away.
var ports atomic.Int64

// freePort returns a port that is free for TCP and UDP. It lies below those that
// kernels hand out by themselves, or another test's socket might take it before the
// program under test does; processes begin at different ones.
func freePort() (string, error) {
	const first, many = 10_000, 20_000
	for range 1000 {
		n := int64(os.Getpid())*97 + ports.Add(1)
		port := strconv.FormatInt(first+n%many, 10)
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		pc, err := net.ListenPacket("udp", "127.0.0.1:"+port)
		l.Close()
		if err != nil {
			continue
		}
		pc.Close()
		return port, nil
	}
	return "", errors.New("no port is free")
}

// get [-X METHOD] [-H 'Name: value'] URL prints status line, header and body. HTTPS
// trusts the internal CA of the script's data directory and nothing else.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	method, header := "GET", http.Header{}
	for len(args) > 2 {
		switch args[0] {
		case "-X":
			method = args[1]
		case "-H":
			name, value, _ := strings.Cut(args[1], ":")
			header.Add(name, strings.TrimSpace(value))
		}
		args = args[2:]
	}
	req, err := http.NewRequest(method, args[0], nil)
	ts.Check(err)
	req.Header = header
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(ts.Getenv("WEIR_DATA_DIR") + "/ca/root.crt"); err == nil {
		pool.AppendCertsFromPEM(pem)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true, DisableCompression: true}
	client := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		if neg {
			return
		}
		ts.Fatalf("get %s: %v", args[0], err)
	}
	defer resp.Body.Close()
	if neg {
		ts.Fatalf("get %s: %s, want no answer", args[0], resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	out := ts.Stdout()
	fmt.Fprintln(out, resp.Proto, resp.Status)
	for name, values := range resp.Header {
		for _, v := range values {
			fmt.Fprintf(out, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(out, "\n%s", body)
}

// ready ADDRESS waits until something listens there.
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		c, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			c.Close()
		}
		if (err == nil) != neg {
			return
		}
		<-time.After(10 * time.Millisecond) // there is no signal to wait for: another process listens
	}
	ts.Fatalf("ready %s: nothing changed in 20 s", args[0])
}

// expect FILE TEXT waits until the file holds the text.
func cmdExpect(ts *testscript.TestScript, neg bool, args []string) {
	var b []byte
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		var err error
		if b, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(b), args[1]) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	ts.Fatalf("expect: %s never held %q; it holds\n%s", args[0], args[1], b)
}
