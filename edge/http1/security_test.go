package http1

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// inner is a request that must never be found inside another one.
const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// attack sends each text to a server of its own connection and fails when the
// hidden request is served, or when the first status is not want.
func attack(t *testing.T, want string, sends ...string) {
	t.Helper()
	var mu sync.Mutex
	var served []string
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		mu.Lock()
		served = append(served, r.Path)
		mu.Unlock()
		return describe(r)
	}}})
	for _, send := range sends {
		codes, _ := statuses(t, talk(t, addr, send))
		if len(codes) == 0 || codes[0] != want {
			t.Errorf("statuses %v, want %s first, for %.200q", codes, want, send)
		}
		mu.Lock()
		if strings.Contains(strings.Join(served, " "), "/smuggled") {
			t.Errorf("the hidden request was served, for %.200q", send)
		}
		served = nil
		mu.Unlock()
	}
}

const chunkedPost = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestSecurity_G3_BareLFInChunkLines(t *testing.T) {
	t.Parallel()
	attack(t, "400",
		chunkedPost+"3\nabc\r\n0\r\n\r\n"+inner,
		chunkedPost+"3;a\nx\r\nabc\r\n0\r\n\r\n"+inner,
		chunkedPost+"3\r\nabc\n0\r\n\r\n"+inner,
		chunkedPost+"3\r\nabc\r\n0\n\r\n"+inner,
		chunkedPost+"0\r\n\n"+inner,
		chunkedPost+"3;\rGET\r\nabc\r\n0\r\n\r\n"+inner,
	)
}

func TestSecurity_G4_ChunkExtensionsAreBounded(t *testing.T) {
	t.Parallel()
	attack(t, "400",
		chunkedPost+"1;"+strings.Repeat("x", 300)+"\r\na\r\n0\r\n\r\n",
		chunkedPost+"1;"+strings.Repeat("x", 1<<20),
		chunkedPost+strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 30)+"0\r\n\r\n",
	)
}

func TestSecurity_G12_LaxTransferEncoding(t *testing.T) {
	t.Parallel()
	for want, codings := range map[string][]string{
		"501": {"xchunked", "chunked1", "identity", "gzip, chunked", "chunkedx"},
		"400": {"", "chunked, chunked", "chunked, identity", ",chunked", "chunked,", "\x0bchunked", "chunked\x00"},
	} {
		for _, coding := range codings {
			attack(t, want, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "+coding+"\r\n\r\n0\r\n\r\n"+inner)
		}
	}
	attack(t, "400",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"+inner,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"+inner,
	)
}

func TestSecurity_G12_QueryIsPassedAsItCame(t *testing.T) {
	t.Parallel()
	queries := make(chan string, 1)
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		queries <- r.Query
		return r.NewResponse(200), nil
	}}})
	const query = "a=1;b=2&%zz&&=?/"
	talk(t, addr, "GET /?"+query+" HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := <-queries; got != query {
		t.Errorf("query %q, want %q", got, query)
	}
}

// TestSecurity_P1_BodyOfABodilessMethod: what a GET announces is its body, whether
// or not anyone reads it.
func TestSecurity_P1_BodyOfABodilessMethod(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS"} {
		var paths []string
		addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
			paths = append(paths, r.Path)
			return r.NewResponse(204), nil
		}}})
		talk(t, addr, method+" /a HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n"+(inner + "xxxxxxxxx")[:36]+"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := strings.Join(paths, " "); got != "/a /b" {
			t.Errorf("%s: served %s, want /a /b", method, got)
		}
	}
}

func TestSecurity_P4_NamesAndEmptyLengths(t *testing.T) {
	t.Parallel()
	attack(t, "400",
		"POST / HTTP/1.1\r\nHost: x\r\n: y\r\nContent-Length: 0\r\n\r\n"+inner,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"+inner,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \t\r\n\r\n"+inner,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n"+inner,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length\x00: 0\r\n\r\n"+inner,
		"POST / HTTP/1.1\r\nHost: x\r\n\x00Content-Length: 0\r\n\r\n"+inner,
	)
}

// TestSecurity_P12_SilentConnectionIsClosed is HTTP's part of it: who connects and
// says nothing is not kept.
func TestSecurity_P12_SilentConnectionIsClosed(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: text(200, "")}}, func(t *testing.T, s *Server, c net.Conn) {
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("got %q, %v; want the end", got, err)
		}
	})
}

// TestHammer runs everything at once under the race detector: exchanges, waiting
// connections, clients that vanish, and a shutdown in the middle.
func TestHammer(t *testing.T) {
	t.Parallel()
	addr, s := serve(t, Options{Timeouts: Timeouts{Head: 8e6, Idle: 50e6}, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		if r.Path == "/ctx" {
			r.Context()
		}
		return describe(r)
	}}})
	sends := []string{get, "GET /ctx HTTP/1.1\r\nHost: x\r\n\r\n", chunkedPost + "3\r\nabc\r\n0\r\n\r\n", get + get, get[:9], expectPost}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := make([]byte, 4096)
			for j := range 60 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				for k := range 3 {
					io.WriteString(c, sends[(i+j+k)%len(sends)])
					if (j+k)%4 > 0 {
						c.Read(p)
					}
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
