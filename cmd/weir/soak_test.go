package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// soakConf has two pools of the same upstream, one for each protocol, and lets go of
// unused connections soon, so that what is left at the end is a leak.
const soakConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: off}
cache: {memory: 4MiB}
upstreams:
  one: {to: "http://FOE", timeouts: {keep_alive: 1s, response: 20s}}
  two: {to: "h2c://FOE", timeouts: {keep_alive: 1s, response: 20s}}
sites:
  localhost:
    http: serve
    proxy: {upstream: one}
    routes:
      - match: /two/*
        proxy: {upstream: two, strip_prefix: /two}
      - match: /kept/*
        proxy: {upstream: one}
        cache: true
`

// foe is an upstream that does all that upstreams do to a proxy.
func foe(t *testing.T) (address string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/say/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path+strings.Repeat("~", 1000))
	})
	mux.HandleFunc("/kept/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=1")
		io.WriteString(w, r.URL.Path+strings.Repeat("~", 1000))
	})
	mux.HandleFunc("/take", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	mux.HandleFunc("/give", func(w http.ResponseWriter, _ *http.Request) { io.CopyN(w, newCargo(4<<20), 4<<20) })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range 1000 {
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
			io.WriteString(w, "drop\n")
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/break", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("late") {
			io.WriteString(w, strings.Repeat("~", 10000))
			http.NewResponseController(w).Flush()
		}
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			return
		}
		panic(http.ErrAbortHandler) // over HTTP/2
	})
	mux.HandleFunc("/echo", echoBytes)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, Protocols: &protocols}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// echoBytes switches to WebSocket and sends back what comes, whatever it is.
func echoBytes(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	io.Copy(c, c)
}

// swarm is the clients of a soak.
type swarm struct {
	*program
	conf   *tls.Config
	counts sync.Map // of *atomic.Int64, by what was done
	mu     sync.Mutex
	wrong  []string // what no client should have seen; guarded by mu
}

func (s *swarm) count(what string) {
	n, _ := s.counts.LoadOrStore(what, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (s *swarm) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// bee is one client. It renews its connection now and then. Half of them are busy: they
// ask for small things without a pause.
type bee struct {
	*swarm
	proto string
	busy  bool
	url   string
	*rand.Rand
	left int // requests, until it takes another connection
	via  http.RoundTripper
	end  func()
}

func (b *bee) connect() {
	if b.left--; b.left > 0 {
		return
	}
	if b.end != nil {
		b.end()
	}
	b.left = 50 + b.IntN(200)
	if b.proto != "h3" {
		var conns dialled // of which a transport keeps some, at times, in which a stream has been cancelled
		b.via = &http.Transport{TLSClientConfig: b.conf.Clone(), ForceAttemptHTTP2: b.proto == "h2", DisableCompression: true, DialContext: conns.dial}
		b.end = conns.cut
		return
	}
	conf := b.conf.Clone()
	conf.NextProtos = []string{"h3"}
	conn, err := quic.DialAddr(context.Background(), b.udp(), conf, nil)
	if err != nil {
		b.complain("h3: %v", err)
		b.left = 0
		return
	}
	b.via = (&http3.Transport{DisableCompression: true}).NewClientConn(conn)
	b.end = func() { conn.CloseWithError(0x100, "") }
}

// run does one thing after the other until ctx ends.
func (b *bee) run(ctx context.Context) {
	for ctx.Err() == nil {
		b.connect()
		if b.via == nil {
			continue
		}
		up := []string{"", "/two"}[b.IntN(2)]
		switch n := b.IntN(100); {
		case n < 60 || b.busy:
			path := fmt.Sprintf("/say/%s/%d", b.proto, b.Uint64())
			b.right("say", up+path, nil, 0, path+strings.Repeat("~", 1000))
		case n < 70:
			path := fmt.Sprintf("/kept/%d", b.IntN(500))
			b.right("kept", path, nil, 0, path+strings.Repeat("~", 1000))
		case n < 75:
			b.right("upload", up+"/take", newCargo(64<<10), 64<<10, "65536 <nil>")
		case n < 79:
			b.leaves("upload cut", up+"/take", &failing{newCargo(200 << 10)}, 1<<20)
		case n < 82:
			b.leaves("upload refused", up+"/refuse", newCargo(1<<20), 1<<20)
		case n < 86:
			b.leaves("leaves in a stream", up+"/drip", nil, 0)
		case n < 88:
			b.leaves("leaves without an answer", up+"/hang", nil, 0)
		case n < 91:
			b.slow(up + "/give")
		case n < 94:
			b.broken("reset in the body", up+"/break?late")
		case n < 97:
			b.broken("reset before the head", up+"/break")
		default:
			b.webSocket()
		}
	}
	if b.end != nil {
		b.end()
	}
}

func (b *bee) do(ctx context.Context, path string, body io.Reader, length int64) (*http.Response, error) {
	method := "GET"
	if body != nil {
		method = "POST"
		body = io.NopCloser(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	return b.via.RoundTrip(req)
}

// right asks for what must come as it should.
func (b *bee) right(what, path string, body io.Reader, length int64, want string) {
	b.swarm.count(what)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := b.do(ctx, path, body, length)
	if err != nil {
		b.complain("%s %s: %v", b.proto, path, err)
		b.left = 0
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || string(text) != want {
		b.complain("%s %s: status %d, %d bytes %.60q, %v; want %.60q", b.proto, path, resp.StatusCode, len(text), text, err, want)
	}
}

// leaves gives up after some milliseconds, in the middle.
func (b *bee) leaves(what, path string, body io.Reader, length int64) {
	b.swarm.count(what)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+b.IntN(30))*time.Millisecond)
	defer cancel()
	resp, err := b.do(ctx, path, body, length)
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == 200 && length > 0 {
			b.complain("%s %s: %s for a request that was cut", b.proto, path, resp.Status)
		}
	}
}

// slow reads a large answer in small pieces, and not to the end.
func (b *bee) slow(path string) {
	b.swarm.count("slow reader")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := b.do(ctx, path, nil, 0)
	if err != nil {
		b.complain("%s %s: %v", b.proto, path, err)
		b.left = 0
		return
	}
	defer resp.Body.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 20 {
		if _, err := io.CopyN(io.Discard, resp.Body, 4<<10); err != nil {
			b.complain("%s %s: %v", b.proto, path, err)
			return
		}
		<-tick.C
	}
}

// broken asks for what the upstream breaks off.
func (b *bee) broken(what, path string) {
	b.swarm.count(what)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := b.do(ctx, path, nil, 0)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode < 500 || errors.Is(err, context.DeadlineExceeded) {
		b.complain("%s %s: %s, %v, for an answer that was cut", b.proto, path, resp.Status, err)
	}
}

// failing fails where a body would end.
type failing struct{ io.Reader }

var errGivenUp = errors.New("given up")

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = errGivenUp
	}
	return n, err
}

// webSocket opens a tunnel, has some words come back, and leaves, in order or not.
func (b *bee) webSocket() {
	b.swarm.count("WebSocket")
	open := map[string]func() (io.ReadWriter, func(), error){"h1": b.socket1, "h1s": b.socket1, "h2": b.socket2, "h3": b.socket3}[b.proto]
	rw, end, err := open()
	if err != nil {
		b.complain("%s WebSocket: %v", b.proto, err)
		b.left = 0
		return
	}
	defer end()
	for i := range b.IntN(10) {
		word := fmt.Sprintf("word %d of %d", i, b.Uint64())
		got := make([]byte, len(word))
		io.WriteString(rw, word)
		if _, err := io.ReadFull(rw, got); err != nil || string(got) != word {
			b.complain("%s WebSocket: got %q, %v, want %q", b.proto, got, err, word)
			return
		}
	}
}

const socketKey = "dGhlIHNhbXBsZSBub25jZQ=="

func (b *bee) socket1() (io.ReadWriter, func(), error) {
	dial := func() (net.Conn, error) { return net.Dial("tcp", b.http) }
	if b.proto == "h1s" {
		dial = func() (net.Conn, error) { return tls.Dial("tcp", b.udp(), b.conf) }
	}
	c, err := dial()
	if err != nil {
		return nil, nil, err
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", socketKey)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		c.Close()
		return nil, nil, fmt.Errorf("upgrade: %v, %w", resp, err)
	}
	return struct {
		io.Reader
		io.Writer
	}{r, c}, func() { c.Close() }, nil
}

// framed is the bytes of the one stream of a connection over HTTP/2.
type framed struct {
	*http2.Framer
	rest []byte
}

func (f *framed) Write(p []byte) (int, error) { return len(p), f.WriteData(1, false, p) }

func (f *framed) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			f.rest = bytes.Clone(frame.Data())
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return 0, fmt.Errorf("stream ended by %v", frame)
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (b *bee) socket2() (io.ReadWriter, func(), error) {
	conf := b.conf.Clone()
	conf.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", b.udp(), conf)
	if err != nil {
		return nil, nil, err
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(c, http2.ClientPreface)
	f := &framed{Framer: http2.NewFramer(c, c)}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", "/echo"}, {"sec-websocket-version", "13"}} {
		enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			c.Close()
			return nil, nil, err
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			if h.PseudoValue("status") != "200" {
				err = fmt.Errorf("CONNECT: %s", h.PseudoValue("status"))
			}
			return f, func() { c.Close() }, err
		}
	}
}

func (b *bee) socket3() (io.ReadWriter, func(), error) {
	s, err := b.via.(*http3.ClientConn).OpenRequestStream(context.Background())
	if err != nil {
		return nil, nil, err
	}
	end := func() {
		s.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	}
	req, err := http.NewRequest("CONNECT", b.url+"/echo", nil)
	if err != nil {
		return nil, end, err
	}
	req.Proto = "websocket"
	req.Header.Set("Sec-WebSocket-Version", "13")
	s.SetDeadline(time.Now().Add(time.Minute))
	if err := s.SendRequestHeader(req); err != nil {
		return nil, end, err
	}
	resp, err := s.ReadResponse()
	if err == nil && resp.StatusCode != 200 {
		err = errors.New(resp.Status)
	}
	return s, end, err
}

// storm lets bees of all protocols loose until ctx ends.
func (s *swarm) storm(ctx context.Context, each int) {
	var all sync.WaitGroup
	for i, proto := range slices.Repeat([]string{"h1", "h1s", "h2", "h3"}, each) {
		b := &bee{swarm: s, proto: proto, busy: i%8 < 4, url: "https://" + s.https, Rand: rand.New(rand.NewPCG(uint64(i), 7))}
		if proto == "h1" {
			b.url = "http://localhost:" + s.http[strings.LastIndexByte(s.http, ':')+1:]
		}
		all.Go(func() { b.run(ctx) })
	}
	all.Wait()
}

// sample is what the program has at a moment.
type sample struct{ goroutines, descriptors, memory float64 }

// middle returns the median of what f takes of each sample.
func middle(all []sample, f func(sample) float64) float64 {
	var values []float64
	for _, s := range all {
		values = append(values, f(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// TestSoak keeps weir busy with clients and an upstream that leave in the middle of
// everything, for WEIR_SOAK (3s): what must come right does, nothing grows, and when
// they are gone nothing is left. With -race, nothing races.
func TestSoak(t *testing.T) {
	t.Parallel()
	long := 3 * time.Second
	if text := os.Getenv("WEIR_SOAK"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	p := startProgram(t, t.TempDir(), strings.ReplaceAll(soakConf, "FOE", foe(t)))
	s := &swarm{program: p, conf: &tls.Config{RootCAs: p.pool(t), ServerName: "localhost"}}
	goroutines, files := p.count(t)
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	swarming := make(chan struct{})
	go func() { defer close(swarming); s.storm(ctx, 8) }()
	samples := s.watch(t, ctx, min(max(long/120, 100*time.Millisecond), 5*time.Second))
	<-swarming
	var done []string
	s.counts.Range(func(what, n any) bool {
		done = append(done, fmt.Sprintf("%s: %d", what, n.(*atomic.Int64).Load()))
		return true
	})
	slices.Sort(done)
	t.Logf("in %v: %s", long, strings.Join(done, ", "))
	for _, w := range s.wrong {
		t.Error(w)
	}
	s.compare(t, samples, long >= time.Minute)
	// What the first need of something starts once (its sweeper, its epoll) stays.
	p.settle(t, goroutines+6, append(files, make([]string, 2)...))
	if t.Failed() {
		t.Log(s.connections())
	}
	if out := p.output(); strings.Contains(out, "DATA RACE") || strings.Contains(out, "panic") {
		t.Errorf("weir says:\n%s", p.tail())
	}
}

// connections is what metrics say of those to clients and upstreams.
func (s *swarm) connections() (lines string) {
	text, err := adminClient{s.admin}.do("GET", "/metrics")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "weir_connections ") || strings.HasPrefix(line, "weir_upstream_connections{") || strings.HasPrefix(line, "weir_upstream_in_flight") {
			lines += line
		}
	}
	return lines
}

// watch takes samples until ctx ends.
func (s *swarm) watch(t *testing.T, ctx context.Context, every time.Duration) (all []sample) {
	t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
		n := sample{s.metric(t, "go_goroutines"), float64(len(s.descriptors(t))), float64(s.memory(t, "VmRSS:"))}
		if all = append(all, n); len(all)%12 == 0 && every >= time.Second {
			t.Logf("after %v: %.0f goroutines, %.0f descriptors, %.0f MiB", time.Since(start).Round(time.Second), n.goroutines, n.descriptors, n.memory/(1<<20))
		}
	}
}

// compare looks for growth, after the first fifth, from one third to the last one.
// A short run only says how it was.
func (s *swarm) compare(t *testing.T, samples []sample, long bool) {
	t.Helper()
	samples = samples[len(samples)/5:]
	if len(samples) < 6 {
		return
	}
	third := len(samples) / 3
	first, second, last := samples[:third], samples[third:2*third], samples[2*third:]
	for _, m := range []struct {
		name   string
		of     func(sample) float64
		slack  float64
		memory bool
	}{
		{"goroutines", func(s sample) float64 { return s.goroutines }, 20, false},
		{"descriptors", func(s sample) float64 { return s.descriptors }, 20, false},
		{"KiB resident", func(s sample) float64 { return s.memory / 1024 }, 8 << 10, true},
	} {
		a, b, c := middle(first, m.of), middle(second, m.of), middle(last, m.of)
		t.Logf("%s: %.0f, %.0f, %.0f", m.name, a, b, c)
		if m.memory && raced() {
			continue // the race detector's own memory grows
		}
		if long && c > a*1.15+m.slack {
			t.Errorf("%s grow: %s", m.name, strconv.FormatFloat(c-a, 'f', 0, 64))
		}
	}
}
