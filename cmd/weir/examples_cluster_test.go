package main

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/edge/attack/clients"
)

// demo is the cluster of examples/cluster, run by its script in a copy of it.
type demo struct {
	*program // of which there are only its directory and what it is asked
	script   *clients.Process
	pid      int
	nodes    [2]*acmeNode
	began    time.Time // about when the first node was started
	replace  []string  // what the README has, and what is here in its place
}

// startDemo runs the script on ports of its own and waits until the nodes are started.
func startDemo(t *testing.T, options ...string) *demo {
	t.Helper()
	weir := clients.Find(t, "weir")
	clients.Find(t, "go")
	d := &demo{program: &program{dir: t.TempDir()}}
	if err := os.CopyFS(d.dir, os.DirFS(example("cluster"))); err != nil {
		t.Fatal(err)
	}
	d.replace = []string{"./weir ", weir + " ", "examples/cluster/", d.dir + "/", "curl ", "curl -sS "}
	ports := map[string]string{}
	for _, p := range []string{"8080", "8443", "9180", "14000"} {
		own, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[p], d.replace = own, append(d.replace, p, own)
	}
	for _, name := range []string{"weir.yaml", filepath.Join("authority", "main.go")} {
		text, err := os.ReadFile(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for p, own := range ports {
			text = []byte(strings.ReplaceAll(string(text), p, own))
		}
		write(t, d.dir, name, string(text))
	}
	t.Cleanup(func() { d.tell(t) })
	d.script = clients.Start(t, d.dir, []string{"WEIR=" + weir, "CGO_ENABLED=0"}, "sh", append([]string{"-c", `echo pid $$; exec sh demo.sh "$@"`, "sh"}, options...)...)
	pid, err := strconv.Atoi(strings.TrimPrefix(d.script.Line(t, "pid "), "pid "))
	if err != nil {
		t.Fatal(err)
	}
	d.pid = pid
	d.script.Line(t, "authority at https://127.0.0.1:"+ports["14000"])
	d.began = time.Now()
	d.script.Line(t, "node at https://127.0.0.2:")
	ca := &certstest.CA{IssuingRoots: d.pool(t)}
	for i, address := range []string{"127.0.0.1", "127.0.0.2"} {
		d.nodes[i] = &acmeNode{&program{https: net.JoinHostPort(address, ports["8443"])}, address, ca}
	}
	return d
}

// pool has the root of what the authority issues.
func (d *demo) pool(t *testing.T) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(d.dir, "run", "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in root.pem: %q", pem)
	}
	return pool
}

// node is the process of a node.
func (d *demo) node(t *testing.T, address string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "run", address+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		t.Fatalf("the pid of %s is %q", address, text)
	}
	return pid
}

// tell shows what was logged, if the test failed.
func (d *demo) tell(t *testing.T) {
	logs, _ := filepath.Glob(filepath.Join(d.dir, "run", "*.log"))
	for _, name := range logs {
		if text, err := os.ReadFile(name); err == nil && t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), text[max(0, len(text)-4000):])
		}
	}
	if t.Failed() && d.script != nil {
		t.Logf("the script:\n%s", d.script.Output())
	}
}

// served waits until a node serves over all protocols, five seconds each time at most,
// and returns the serial number.
func (d *demo) served(t *testing.T, n *acmeNode) (serial string) {
	t.Helper()
	for _, proto := range []string{"h1", "h2", "h3"} {
		serial = n.until(t, 5*time.Second, proto, "www.example.com", func(page, _ string) bool {
			return page == n.address+" answers\n"
		})
	}
	return serial
}

// TestExamples_Cluster runs what `make demo` runs: both nodes serve the authority's chain
// over all protocols within five seconds, for one order; then it follows the README, by
// which one is killed and the other renews. Ended, the script leaves nobody behind.
func TestExamples_Cluster(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	first := d.served(t, d.nodes[0])
	if second := d.served(t, d.nodes[1]); second != first {
		t.Errorf("the nodes serve %s and %s, want the same certificate", first, second)
	}
	took := time.Since(d.began)
	t.Logf("both serve over h1, h2 and h3 %v after the start", took)
	if took > 5*time.Second {
		t.Errorf("it took %v until both serve, want 5 s at most", took)
	}
	if n := strings.Count(d.script.Output(), " order: www.example.com"); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	d.follow(t, "cluster", 8, d.replace...)
	if _, err := net.DialTimeout("tcp", d.nodes[0].https, time.Second); err == nil {
		t.Error("the killed node still listens")
	}
	if renewed := d.served(t, d.nodes[1]); renewed == first {
		t.Error("the other node serves the same certificate as before")
	}
	d.script.Line(t, "order: www.example.com in place of an older certificate")
	left := d.node(t, "127.0.0.2")
	if err := syscall.Kill(d.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	d.script.End(t)
	if err := syscall.Kill(left, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the node is there (%v) after the script's end", err)
	}
}

// TestExamples_ClusterRenewsByItself has nobody ask for the renewal after one node was
// killed: the other does it when it is due.
func TestExamples_ClusterRenewsByItself(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "-life", "15s")
	first := d.served(t, d.nodes[1])
	if err := syscall.Kill(d.node(t, "127.0.0.1"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.nodes[1].until(t, 30*time.Second, "h2", "www.example.com", func(_, serial string) bool { return serial != first })
}

// TestExamples_ClusterAuthorityIsForLoopback: what proves so little must not be reached
// from elsewhere.
func TestExamples_ClusterAuthorityIsForLoopback(t *testing.T) {
	t.Parallel()
	authority := buildExample(t, "cluster", "./authority")
	for _, options := range [][]string{{"-addr", "0.0.0.0:0"}, {"-addr", ":0"}, {"-addr", "127.0.0.1:0", "-nodes", "127.0.0.1,192.0.2.1"}} {
		cmd := exec.CommandContext(t.Context(), authority, append(options, "-dir", t.TempDir())...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "loopback only") {
			t.Errorf("authority %q: %v, %q, want it refused", options, err, out)
		}
	}
}
