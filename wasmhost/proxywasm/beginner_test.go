package proxywasm

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// What new hosts of this ABI get wrong first.

// calling has guests call an upstream.
func calling(up upstreamFunc) func(*guest.Plugin) {
	return func(p *guest.Plugin) {
		p.Upstream = func(string) (guest.Upstream, error) { return up, nil }
	}
}

const callOut = " call backend :method=GET,:path=/,:authority=a|"

func TestHostcalls_HeedLowerHalvesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, f := range abi.HostFuncs() {
		do := bodies()[f.Name]
		if do == nil || strings.Contains(f.Name, "metric") || strings.Contains(f.Name, "log") || f.Name == "proxy_done" {
			continue // 64 bits mean something there; what is logged is not returned
		}
		const garbage = 0xdeadbeef << 32
		plain, dirty := make([]uint64, 16), make([]uint64, 16)
		for k := range dirty {
			dirty[k] = garbage
		}
		r.held(func() {
			if a, b := do(r.i, plain), do(r.i, dirty); a != b {
				t.Errorf("%s: %d, and with garbage in the upper halves %d", f.Name, a, b)
			}
		})
	}
}

// The probe's allocator panics for 0 bytes, as that of Go's SDK does.
func TestGive_EmptyValuesAskForNoMemory(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers get 0 x-empty|request_headers property request.query|request_headers property request.headers.x-empty|"+
		"request_headers buffer 6|request_headers pairs 1|request_headers status|request_body buffer 0 9|response_body set_buffer 1 0 9|response_body buffer 1")
	got := b.do(hello, "POST", "/", exchangetest.Field("x-empty", ""), exchangetest.Body("content"))
	if got.Status != 200 || len(got.Body) != 0 {
		t.Errorf("got %d %q %v", got.Status, got.Body, got.Err)
	}
	b.heard("create 1 0", "create 2 1", "request_headers 6 0", `get x-empty = "" 0`, `property request.query = "" 0`,
		`property request.headers.x-empty = "" 0`, `buffer "" 0`, "pairs  0", `status 0 "" 0`, "request_body 7 1", `buffer "" 0`,
		"response_headers 3 0", "response_body 5 1", `buffer "" 0`, "done", "log", "delete")
}

func TestHTTPCall_AnswersThePausedStream(t *testing.T) {
	t.Parallel()
	for _, then := range []string{"", "http_call_response effective 2|"} { // as SDKs do, and as who forgets
		b := open(t, "request_headers"+callOut+"request_headers return 1|"+then+
			"http_call_response get 6 :status|http_call_response buffer 4|http_call_response replace 0 x-user ali|http_call_response continue 0",
			calling(answering(200, "sesame")))
		var user string
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			user = r.Header.Get("x-user")
			return echo(r)
		}, "POST", "/", exchangetest.Body("content"))
		if got.Status != 200 || string(got.Body) != "content" || user != "ali" {
			t.Errorf("got %d %q %v for %q", got.Status, got.Body, got.Err, user)
		}
		b.heard("create 1 0", "create 2 1", "request_headers 5 0", "call 1 0", "http_call_response 1 2 6 0", `get :status = "200" 0`,
			`buffer "sesame" 0`, "request_body 7 1", "response_headers 2 0", "response_body 7 1", "done", "log", "delete")
	}
}

// TestHTTPCall_IsAnsweredInEveryPhase pauses in each callback until a call is answered, in
// which the guest goes on or replies. A call that fails at once is answered when the
// callback that made it has returned: guests are not entered twice.
func TestHTTPCall_IsAnsweredInEveryPhase(t *testing.T) {
	t.Parallel()
	fails := upstreamFunc(func(*exchange.Call, *exchange.Response) error { return errors.New("refused") })
	for _, phase := range []string{"request_headers", "request_body_end", "request_trailers", "response_headers", "response_body_end", "response_trailers"} {
		direction := map[bool]string{true: "0", false: "1"}[strings.HasPrefix(phase, "request")]
		for _, then := range []string{"continue " + direction, "reply 403 no", "close " + direction} {
			b := open(t, phase+callOut+phase+" return 1|http_call_response "+then, calling(fails))
			sum := func(r *exchange.Request) {
				if phase == "request_trailers" {
					r.Trailer.Append("x-sum", "7")
				}
			}
			got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				resp := r.NewResponse(200)
				resp.Body = exchange.NewBytes(body)
				if phase == "response_trailers" {
					resp.Trailer.Append("x-end", "1")
				}
				return resp, nil
			}, "POST", "/", exchangetest.Body("content"), sum)
			switch then[0] {
			case 'c':
				if strings.HasPrefix(then, "close") {
					if got.Err == nil {
						t.Errorf("%s, %s: got %d %q", phase, then, got.Status, got.Body)
					}
				} else if got.Status != 200 || string(got.Body) != "content" || got.Err != nil {
					t.Errorf("%s, %s: got %d %q %v", phase, then, got.Status, got.Body, got.Err)
				}
			case 'r':
				if got.Status != 403 || string(got.Body) != "no" {
					t.Errorf("%s, %s: got %d %q %v", phase, then, got.Status, got.Body, got.Err)
				}
			}
			said := strings.Join(b.says(), " ")
			if strings.Count(said, "http_call_response") != 1 || !strings.HasSuffix(said, "done log delete") {
				t.Errorf("%s, %s: the guest heard %s", phase, then, said)
			}
		}
	}
}

// TestEnd_IsTooLateForAnything has the guest try all that acts on a stream when it is over.
func TestEnd_IsTooLateForAnything(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"done", "log", "delete"} {
		b := open(t, phase+" reply 500 late|"+phase+" continue 0|"+phase+" continue 1|"+phase+" close 0|"+phase+" replace 0 x-a b|"+
			phase+" replace 2 :status 500|"+phase+" set_buffer 1 0 0 x|"+phase+callOut+"configure log x", calling(answering(200, "ok")))
		if got := b.do(hello, "GET", "/"); got.Status != 200 || string(got.Body) != "hello" {
			t.Errorf("%s: got %d %q", phase, got.Status, got.Body)
		}
		b.until("http_call_response 1 2 2 0") // on the root
		if got := b.do(hello, "GET", "/"); got.Status != 200 || string(got.Body) != "hello" {
			t.Errorf("%s: the next got %d %q", phase, got.Status, got.Body)
		}
	}
}
