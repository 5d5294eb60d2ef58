package cgi

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// TestGo has a plain net/http/cgi program answer.
func TestGo(t *testing.T) {
	t.Parallel()
	h := inGo(t, &guest.Plugin{})
	ask := func(method, target string, options ...exchangetest.Option) *exchangetest.Result {
		t.Helper()
		return exchangetest.Do(t, h, exchangetest.NewRequest(method, target, append(options, under("/app/"))...))
	}
	if got := ask("GET", "/app/hello"); got.Status != 200 || string(got.Body) != "hello from example.com" {
		t.Errorf("hello: got %d %q, %v", got.Status, got.Body, got.Err)
	}
	if got := ask("GET", "/app/redirect"); got.Status != 302 || got.Header.Get("location") != "/app/hello" || len(got.Body) == 0 {
		t.Errorf("redirect: got %d %q %q, %v; a Status makes it the client's", got.Status, fieldsOf(&got.Header), got.Body, got.Err)
	}
	if got := ask("GET", "/app/cookies"); got.Status != 418 || !slices.Equal(slices.Collect(got.Header.Values("set-cookie")), []string{"a=1", "b=2"}) {
		t.Errorf("cookies: got %d %q, %v", got.Status, fieldsOf(&got.Header), got.Err)
	}
	got := ask("POST", "/app/local", exchangetest.Body("gone"), exchangetest.Field("if-none-match", "*"))
	for _, line := range []string{"REQUEST_METHOD=GET", "PATH_INFO=/env/at", "SCRIPT_NAME=/app", "QUERY_STRING=x=1", "REQUEST_URI=/app/env/at?x=1", "CONTENT_TYPE="} {
		if !strings.Contains(string(got.Body), "\n"+line+"\n") {
			t.Errorf("local redirect: got %d without %s, %v: %s", got.Status, line, got.Err, got.Body)
		}
	}
	if strings.Contains(string(got.Body), "CONTENT_LENGTH") || strings.Contains(string(got.Body), "IF_NONE_MATCH") {
		t.Errorf("local redirect has something of the first request: %s", got.Body)
	}
	if got := ask("GET", "/app/nothing"); got.Status != 404 {
		t.Errorf("nothing: got %d, %v", got.Status, got.Err)
	}
	if got := ask("GET", "/app/panic"); got.Status != 500 {
		t.Errorf("panic: got %d, %v", got.Status, got.Err)
	}
	if got := ask("GET", "/app/exit"); got.Status != 500 || !strings.Contains(got.Err.Error(), "exit code 3") {
		t.Errorf("exit: got %d, %v", got.Status, got.Err)
	}
	if got := ask("GET", "/app/say"); got.Status != 200 || !strings.Contains(h.log.String(), "text=first") || !strings.Contains(h.log.String(), "text=second") {
		t.Errorf("say: got %d, %v, log %s", got.Status, got.Err, h.log)
	}
	if got := ask("GET", "/app/big?n=1000"); got.Err != nil || len(got.Body) != 1000<<10 {
		t.Errorf("big: got %d bytes, %v", len(got.Body), got.Err)
	}
}

func TestGo_Bodies(t *testing.T) {
	t.Parallel()
	h := inGo(t, &guest.Plugin{Limits: vm.Limits{Body: 100_000}})
	large := strings.Repeat("0123456789", 50_000)
	for _, tt := range []struct {
		name, body string
		option     exchangetest.Option
		status     int
	}{
		{"small", "abc", exchangetest.Body("abc"), 200},
		{"unknown length", "abcdef", exchangetest.Chunked("abcdef"), 200},
		{"streamed", large, func(r *exchange.Request) { r.Body = &streaming{strings.NewReader(large), int64(len(large))} }, 200},
		{"unknown and too long", "", exchangetest.Chunked(large), 413},
		{"cut", "", func(r *exchange.Request) {
			r.Body = &streaming{io.MultiReader(strings.NewReader(large[:100_000]), failing{}), int64(len(large))}
		}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := exchangetest.Do(t, h, exchangetest.NewRequest("POST", "/app/echo", tt.option, exchangetest.Field("content-type", "text/x"), under("/app/")))
			if got.Status != tt.status || string(got.Body) != tt.body && tt.body != "" {
				t.Errorf("got %d with %d bytes, %v; want %d with %d", got.Status, len(got.Body), got.Err, tt.status, len(tt.body))
			}
			if tt.name == "cut" && !errors.Is(got.Err, errCut) {
				t.Errorf("got %v, want what reading failed with", got.Err)
			}
		})
	}
}

var errCut = errors.New("cut")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

func TestGo_Environment(t *testing.T) {
	t.Parallel()
	h := inGo(t, &guest.Plugin{
		Env:  [][2]string{{"DB", "x"}, {"REQUEST_METHOD", "POST"}, {"HTTP_ACCEPT", "evil"}, {"DOCUMENT_ROOT", "/srv"}},
		Args: []string{"-v", "two words"},
	})
	got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "https://[2001:db8::5]:8443/app/env/a%20b%2fc?q=1&r",
		exchangetest.Client("[2001:db8::1]:4711"), exchangetest.Field("cookie", "a=1"), exchangetest.Field("accept", "x"),
		exchangetest.Field("accept", "y"), exchangetest.Field("cookie", "b=2"), exchangetest.Field("proxy", "http://evil"),
		exchangetest.Field("x_real", "1"), exchangetest.Field("authorization", "Basic x"), exchangetest.Field("connection", "close"),
		exchangetest.Field("x-forwarded-for", "6.6.6.6"), under("/app/env/")))
	want := `app -v two words
AUTH_TYPE=
CONTENT_TYPE=
DB=x
DOCUMENT_ROOT=/srv
GATEWAY_INTERFACE=CGI/1.1
HTTPS=on
HTTP_ACCEPT=x, y
HTTP_AUTHORIZATION=Basic x
HTTP_COOKIE=a=1; b=2
HTTP_HOST=[2001:db8::5]:8443
PATH_INFO=/a b%2Fc
PATH_TRANSLATED=
QUERY_STRING=q=1&r
REDIRECT_STATUS=200
REMOTE_ADDR=2001:db8::1
REMOTE_HOST=2001:db8::1
REMOTE_PORT=4711
REMOTE_USER=
REQUEST_METHOD=GET
REQUEST_SCHEME=https
REQUEST_URI=/app/env/a%20b%2fc?q=1&r
SCRIPT_NAME=/app/env
SERVER_NAME=[2001:db8::5]
SERVER_PORT=8443
SERVER_PROTOCOL=HTTP/1.1
SERVER_SOFTWARE=weir
WEIR_CONFIG=configured
`
	if string(got.Body) != want {
		t.Errorf("got %v\n%s\nwant\n%s", got.Err, got.Body, want)
	}
}

func TestGo_EventsComeAsTheyAreTold(t *testing.T) {
	t.Parallel()
	h := inGo(t, &guest.Plugin{})
	gone, leave := leaving()
	resp, err := h.Handle(exchangetest.NewRequest("GET", "/app/events", gone, under("/app/")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for n := range 3 {
		line, err := lines.ReadString('\n')
		if want := "data: " + string(rune('0'+n)) + "\n"; line != want || err != nil {
			t.Errorf("event %d: got %q, %v", n, line, err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Error(err)
		}
	}
	leave()
	if _, err := io.Copy(io.Discard, lines); !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("after the client has left: %v", err)
	}
}
