package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// block is how often a cargo says where it is, so that no part of it is like another.
const block = 64 << 10

// cargo is a stream of n bytes, the same each time.
type cargo struct {
	left, at int64
	buf      []byte // what of the last block was not read yet
	block    [block]byte
}

func newCargo(n int64) io.Reader {
	c := &cargo{left: n}
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < block; i += 8 {
		binary.LittleEndian.PutUint64(c.block[i:], random.Uint64())
	}
	return c
}

func (c *cargo) Read(p []byte) (int, error) {
	if len(c.buf) == 0 {
		if c.left == 0 {
			return 0, io.EOF
		}
		binary.LittleEndian.PutUint64(c.block[:], uint64(c.at))
		c.buf = c.block[:min(block, c.left)]
		c.at, c.left = c.at+int64(len(c.buf)), c.left-int64(len(c.buf))
	}
	n := copy(p, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

// weigh returns how long a stream is, and its hash.
func weigh(r io.Reader) (facts string, err error) {
	hash := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{hash}, r, make([]byte, block))
	return fmt.Sprintf("%d %s", n, hex.EncodeToString(hash.Sum(nil))), err
}

// harbour is an upstream that takes and gives cargoes.
func harbour(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/take", func(w http.ResponseWriter, r *http.Request) {
		facts, err := weigh(r.Body)
		if err != nil {
			t.Errorf("upload over %s: %v after %s", r.Header.Get("X-Proto"), err, facts)
		}
		fmt.Fprint(w, facts)
	})
	mux.HandleFunc("/give", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		io.CopyBuffer(struct{ io.Writer }{w}, newCargo(n), make([]byte, block))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// memoryLimit is what weir may have resident while it carries cargoes of any size.
const memoryLimit = 100 << 20

// TestUpload_LargeBodiesInLittleMemory carries 64 MiB, or 1 GiB with WEIR_BIG set, up
// and down over each protocol: whole, and without keeping them.
func TestUpload_LargeBodiesInLittleMemory(t *testing.T) {
	t.Parallel()
	size := int64(64 << 20)
	if os.Getenv("WEIR_BIG") != "" {
		size = 1 << 30
	}
	curl := clients.Find(t, "curl")
	file := filepath.Join(t.TempDir(), "cargo")
	want := keepUpload(t, file, size)
	p := startProgram(t, t.TempDir(), strings.ReplaceAll(`
listen: {https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: json}
sites: {localhost: {proxy: HARBOUR}}
`, "HARBOUR", harbour(t)))
	base := "https://" + p.https
	give := base + "/give?n=" + strconv.FormatInt(size, 10)
	for _, tt := range []struct {
		name string
		do   func(t *testing.T) string
	}{
		{"up h1", func(t *testing.T) string { return p.carry(t, curl, "--http1.1", "-T", file, base+"/take") }},
		{"up h1 chunked", func(t *testing.T) string {
			return p.carry(t, curl, "--http1.1", "-H", "Transfer-Encoding: chunked", "-T", file, base+"/take")
		}},
		{"up h2", func(t *testing.T) string { return p.carry(t, curl, "--http2", "-T", file, base+"/take") }},
		{"up h3", func(t *testing.T) string { return p.carryH3(t, "PUT", base+"/take", size) }},
		{"down h1", func(t *testing.T) string { return p.carry(t, curl, "--http1.1", give) }},
		{"down h2", func(t *testing.T) string { return p.carry(t, curl, "--http2", give) }},
		{"down h3", func(t *testing.T) string { return p.carryH3(t, "GET", give, 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stop, sampled := p.sampleMemory(t)
			start := time.Now()
			got := tt.do(t)
			took := time.Since(start)
			stop()
			most := slices.Max(<-sampled)
			t.Logf("%d MiB in %v; weir has %d MiB at most", size>>20, took.Round(time.Millisecond), most>>20)
			if got != want {
				t.Errorf("carried %q, want %q", got, want)
			}
			if most > memoryLimit && !raced() {
				t.Errorf("weir had %d MiB resident, want %d at most", most>>20, memoryLimit>>20)
			}
		})
	}
	peak := p.memory(t, "VmHWM:")
	t.Logf("weir had %d MiB resident at its peak", peak>>20)
	if peak > memoryLimit && !raced() {
		t.Errorf("weir had %d MiB resident at its peak, want %d at most", peak>>20, memoryLimit>>20)
	}
}

// store writes a cargo to a file and returns its facts.
func keepUpload(t *testing.T, file string, size int64) string {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	facts, err := weigh(io.TeeReader(newCargo(size), f))
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// carry runs curl. What it prints is either the facts or the cargo.
func (p *program) carry(t *testing.T, curl string, args ...string) (facts string) {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--fail", "--cacert", p.root(), "--noproxy", "*"}, args...)
	cmd := exec.CommandContext(t.Context(), curl, args...)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(args, "-T") {
		var text []byte
		text, err = io.ReadAll(out)
		facts = string(text)
	} else {
		facts, err = weigh(out)
	}
	if waited := cmd.Wait(); err != nil || waited != nil {
		t.Fatalf("curl %q: %v, %v\n%s\n%s", args, err, waited, diag.String(), p.tail())
	}
	return facts
}

// carryH3 is carry over quic-go's client: curl has no HTTP/3 here, and aioquic is too
// slow for bodies like these.
func (p *program) carryH3(t *testing.T, method, url string, size int64) (facts string) {
	t.Helper()
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.pool(t)},
		Dial: func(ctx context.Context, addr string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, strings.Replace(addr, "localhost", "127.0.0.1", 1), tc, qc)
		},
	}
	defer transport.Close()
	var body io.Reader
	if size > 0 {
		body = newCargo(size)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s over HTTP/3: %v\n%s", method, err, p.tail())
	}
	defer resp.Body.Close()
	if size > 0 {
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	facts, err = weigh(resp.Body)
	if err != nil {
		t.Fatalf("%s over HTTP/3: %v after %s\n%s", method, err, facts, p.tail())
	}
	return facts
}

// sampleMemory looks at what the program has resident until it is stopped.
func (p *program) sampleMemory(t *testing.T) (stop func(), samples chan []int64) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	samples = make(chan []int64, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		var all []int64
		for {
			all = append(all, p.memory(t, "VmRSS:"))
			select {
			case <-ctx.Done():
				samples <- all
				return
			case <-tick.C:
			}
		}
	}()
	return stop, samples
}

// memory returns what the kernel says of the program's memory, in bytes.
func (p *program) memory(t *testing.T, field string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Error(err)
			}
			return kib << 10
		}
	}
	t.Errorf("no %s in the status of the process", field)
	return 0
}

// raced tells whether weir runs under the race detector, which multiplies memory.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
