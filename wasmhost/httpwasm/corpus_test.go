package httpwasm_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// modules are where guests lie that others have written and compiled.
var modules = sync.OnceValues(func() (map[string]string, error) {
	dirs := map[string]string{}
	for name, module := range map[string]string{
		"host": "github.com/http-wasm/http-wasm-host-go@v0.7.0", "tinygo": "github.com/http-wasm/http-wasm-guest-tinygo@v0.4.0",
	} {
		out, err := exec.Command("go", "mod", "download", "-json", module).Output()
		var found struct{ Dir string }
		if err == nil {
			err = json.Unmarshal(out, &found)
		}
		if err != nil {
			return nil, err
		}
		dirs[name] = found.Dir
	}
	return dirs, nil
})

// corpus reads a guest: "host/examples/auth".
func corpus(t testing.TB, name string) []byte {
	t.Helper()
	dirs, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	module, path, _ := strings.Cut(name, "/")
	code, err := os.ReadFile(filepath.Join(dirs[module], path+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

const inHost, inTinyGo = "host/internal/test/testdata/", "tinygo/internal/test/testdata/"

// TestCorpus runs guests of the ABI's authors, of which they say what they do.
func TestCorpus(t *testing.T) {
	t.Parallel()
	mirror := func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		b, err := io.ReadAll(r.Body)
		resp.Header.Append("x-saw", strings.Join([]string{r.Method, r.Target, r.Header.Get("content-type"), string(b), "."}, " "))
		resp.SetBytes(append([]byte("mirror "), b...))
		return resp, err
	}
	field, body := exchangetest.Field, exchangetest.Body
	for _, tt := range []struct {
		guest, config  string
		method, target string
		options        []exchangetest.Option
		status         int
		header, body   string
		logged         string
	}{
		{guest: "host/examples/auth", status: 401, header: "www-authenticate: Basic realm=\"test\"\n"},
		{guest: "host/examples/auth", options: []exchangetest.Option{field("authorization", "")}, status: 401},
		{guest: "host/examples/auth", options: []exchangetest.Option{field("authorization", "Basic wrong")}, status: 401},
		{guest: "host/examples/auth", options: []exchangetest.Option{field("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")}, status: 200, body: "mirror "},
		{guest: "host/examples/router", target: "/host/a?b", status: 200, header: "x-saw: GET /a?b   .\n", body: "mirror "},
		{guest: "host/examples/router", target: "/other", status: 200, header: "content-type: text/plain\n", body: "hello world"},
		{guest: "host/examples/redact", config: "open sesame", method: "POST", options: []exchangetest.Option{body("say open sesame, open sesame")}, status: 200,
			header: "x-saw: POST /  say ###########, ########### .\n", body: "mirror say ###########, ###########"},
		{guest: "host/examples/log", method: "POST", options: []exchangetest.Option{body("xyz")}, status: 200, body: "mirror xyz", logged: "guest says"},
		{guest: "host/examples/config", config: "\x03\x00\x00\x00\x00\x00\x00\x00", status: 200, body: "mirror "},
		{guest: "host/examples/wasi", method: "POST", options: []exchangetest.Option{body("xyz"), field("x-one", "1")}, status: 200, body: "mirror xyz", logged: "POST / HTTP/1.1"},
		{guest: inHost + "e2e/method", status: 200, header: "x-saw: POST /  GET .\n", body: "mirror GET"},
		{guest: inHost + "e2e/uri", target: "/x?y", status: 200, header: "x-saw: GET /v1.0/hello?name=teddy  /x?y .\n", body: "mirror /x?y"},
		{guest: inHost + "e2e/header_value", status: 200, header: "x-saw: GET / text/plain  .\n", body: "mirror "},
		{guest: inHost + "e2e/header_names", options: []exchangetest.Option{field("a", "1"), field("b", "")}, status: 200, body: "mirror "},
		{guest: inHost + "e2e/protocol_version", status: 200, body: "HTTP/1.1"},
		{guest: inHost + "e2e/handle_response", status: 200, body: "mirror "},
		{guest: inHost + "error/panic_on_handle_request", status: 500},
		{guest: inHost + "error/panic_on_handle_response", status: 500},
		{guest: inHost + "error/set_request_header_after_next", status: 500},
		{guest: "tinygo/examples/router/main", target: "/host/a?b", status: 200, header: "x-saw: GET /a?b   .\n", body: "mirror "},
		{guest: "tinygo/examples/router/main", target: "/other", status: 200, body: "hello"},
		{guest: "tinygo/examples/wasi/main", method: "POST", options: []exchangetest.Option{body("xyz")}, status: 200, body: "mirror xyz", logged: "POST / HTTP/1.1"},
		{guest: inTinyGo + "e2e/tinygo/features/main", status: 200, body: "buffer_request|buffer_response"},
		{guest: inTinyGo + "e2e/tinygo/handle_response/main", status: 200, body: "43"},
		{guest: inTinyGo + "e2e/tinygo/log/main", status: 200, body: "mirror ", logged: "text=after"},
	} {
		t.Run(tt.guest, func(t *testing.T) {
			t.Parallel()
			var log logged
			f := filter(t, corpus(t, tt.guest), &guest.Plugin{Log: log.logger(slog.LevelInfo)}, tt.config)
			for range 2 {
				r := exchangetest.NewRequest(or(tt.method, "GET"), or(tt.target, "/"), tt.options...)
				res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(mirror), f), r)
				if res.Status != tt.status || string(res.Body) != tt.body || !strings.Contains(lines(&res.Header), tt.header) {
					t.Errorf("got %d %q %q (%v), want %d %q %q", res.Status, lines(&res.Header), res.Body, res.Err, tt.status, tt.header, tt.body)
				}
			}
			if !strings.Contains(log.String(), tt.logged) {
				t.Errorf("log: got %q, want %q in it", log.String(), tt.logged)
			}
		})
	}
}

// TestCorpus_Start has guests that fail when they start.
func TestCorpus_Start(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		inHost + "error/panic_on_start": "it said: panic!",
		"host/examples/config":          "unreachable", // it wants eight bytes
	} {
		if _, _, err := open(t, corpus(t, name), &guest.Plugin{}).Filter(t.Context(), guest.Use{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

// TestCorpus_OverTheWire: what guests answer comes to clients of all protocols alike.
func TestCorpus_OverTheWire(t *testing.T) {
	t.Parallel()
	redact := serve(t, http.HandlerFunc(echo), filter(t, corpus(t, "host/examples/redact"), &guest.Plugin{}, "pst"))
	auth := serve(t, http.HandlerFunc(echo), filter(t, corpus(t, "host/examples/auth"), &guest.Plugin{}, ""))
	for _, p := range protocols {
		a := do(t, redact.client(t, p), "POST", "/", "pst, listen")
		if want := `POST a.test / length 11 body "###, listen" <nil> trailer map[]`; a.Header.Get("X-Saw") != want || a.body != "u###ream" || a.ContentLength != 8 {
			t.Errorf("%s: redact: upstream saw %s, client got %q of %d; want %s, u###ream", p, a.Header.Get("X-Saw"), a.body, a.ContentLength, want)
		}
		c := auth.client(t, p)
		if a := do(t, c, "GET", "/", ""); a.StatusCode != 401 || a.Header.Get("Www-Authenticate") != `Basic realm="test"` {
			t.Errorf("%s: auth: got %d %v", p, a.StatusCode, a.Header)
		}
		if a := do(t, c, "GET", "/", "", "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); a.StatusCode != 200 || a.body != "upstream" {
			t.Errorf("%s: auth: got %d %q, want 200", p, a.StatusCode, a.body)
		}
	}
}
