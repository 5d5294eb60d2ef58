package nethttp

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/weirproxy/weir/edge/exchange"
)

func wire(t *testing.T, write func(*http2.Framer)) []byte {
	t.Helper()
	var b bytes.Buffer
	write(http2.NewFramer(&b, nil))
	return b.Bytes()
}

// TestSecurity_G5_G6_G7: frames that get the client nothing end its connection,
// those of ordinary clients never do, however their bytes are cut.
func TestSecurity_G5_G6_G7_FloodsEndTheConnection(t *testing.T) {
	t.Parallel()
	request := func(f *http2.Framer) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("x"), EndHeaders: true})
	}
	for name, c := range map[string]struct {
		in    func(*http2.Framer)
		out   func(*http2.Framer) // the server's answer to it
		times int
		flood bool
	}{
		"rapid reset":       {func(f *http2.Framer) { request(f); f.WriteRSTStream(1, 8) }, nil, 3000, true},
		"reset after reply": {func(f *http2.Framer) { request(f); f.WriteRSTStream(1, 8) }, nil, 300, false},
		"made you reset":    {func(f *http2.Framer) { request(f); f.WriteWindowUpdate(1, 1) }, func(f *http2.Framer) { f.WriteRSTStream(1, 1) }, 1000, true},
		"pings":             {func(f *http2.Framer) { f.WritePing(false, [8]byte{}) }, nil, 2000, true},
		"settings":          {func(f *http2.Framer) { f.WriteSettings() }, nil, 2000, true},
		"settings beside requests": {func(f *http2.Framer) { f.WriteSettings(); request(f) },
			func(f *http2.Framer) { request(f); f.WriteData(1, true, []byte("x")) }, 1000, true},
		"priorities":    {func(f *http2.Framer) { f.WritePriority(1, http2.PriorityParam{}) }, nil, 3000, true},
		"empty data":    {func(f *http2.Framer) { f.WriteData(1, false, nil) }, nil, 3000, true},
		"continuations": {func(f *http2.Framer) { f.WriteContinuation(1, false, nil) }, nil, 3000, true},
		"requests":      {request, func(f *http2.Framer) { request(f); f.WriteData(1, true, []byte("x")) }, 10000, false},
		"upload":        {func(f *http2.Framer) { f.WriteData(1, false, make([]byte, 1000)) }, func(f *http2.Framer) { f.WriteWindowUpdate(1, 1000) }, 10000, false},
		"download": {func(f *http2.Framer) { f.WriteWindowUpdate(0, 1000); f.WriteWindowUpdate(1, 1000) },
			func(f *http2.Framer) { f.WriteData(1, false, make([]byte, 1000)) }, 10000, false},
		"answered pings": {func(f *http2.Framer) { f.WritePing(true, [8]byte{}) }, nil, 10000, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, cut := range []int{1 << 20, 7, 1} {
				var clock atomic.Int64
				g := newGuard(&clock)
				g.left.Store(guardMost)
				err := g.received([]byte(http2.ClientPreface))
				in := wire(t, c.in)
				for range c.times {
					for p := in; len(p) > 0 && err == nil; {
						n := min(cut, len(p))
						err = g.received(p[:n])
						p = p[n:]
					}
					if c.out != nil {
						g.out.next(wire(t, c.out), g.frameOut)
					}
				}
				if got := err != nil; got != c.flood {
					t.Errorf("cut into %d: flood %v, want %v", cut, got, c.flood)
				}
			}
		})
	}
}

func TestGuard_RefillsWithTime(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	g := newGuard(&clock)
	g.left.Store(guardMost)
	g.received([]byte(http2.ClientPreface))
	ping := wire(t, func(f *http2.Framer) { f.WritePing(false, [8]byte{}) })
	for second := range 1000 {
		clock.Store(int64(second))
		for range guardRefill / 2 {
			if err := g.received(ping); err != nil {
				t.Fatalf("second %d: %v", second, err)
			}
		}
	}
}

// A guarded connection still serves, over TLS as without.
func TestGuard_ServesOrdinaryClients(t *testing.T) {
	t.Parallel()
	url, client := startH2(t, handler(func(r *exchange.Request) *exchange.Response {
		resp := r.NewResponse(200)
		resp.SetBytes(make([]byte, 100<<10))
		return resp
	}), Options{})
	for range 200 {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := resp.Body.Read(make([]byte, 10)); n == 0 && err != nil {
			t.Fatal(err)
		}
		resp.Body.Close() // which resets the stream: a browser that goes elsewhere
	}
	if resp, err := client.Get(url); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("after 200 cancelled downloads: %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(http2.ClientPreface), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		count := func(step int) (kinds []byte) {
			s := frames{skip: preface}
			for p := b; len(p) > 0; {
				n := min(step, len(p))
				s.next(p[:n], func(kind, _ byte, _ int) { kinds = append(kinds, kind) })
				p = p[n:]
			}
			return kinds
		}
		if whole, pieces := count(len(b)+1), count(int(cut)+1); !bytes.Equal(whole, pieces) {
			t.Errorf("%d frames whole, %d in pieces of %d", len(whole), len(pieces), cut+1)
		}
	})
}
