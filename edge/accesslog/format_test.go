package accesslog

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

var formats = []Format{Console, JSON, CLF, Combined}

// lineOf returns the line that a log with these options writes for r.
func lineOf(t testing.TB, o Options, r *exchange.Request) string {
	t.Helper()
	var out strings.Builder
	o.Writer = &out
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Observe(r)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func finished(r *exchange.Request) *exchange.Request {
	r.Record = exchange.Record{
		Number: 0x0123456789abcdef,
		Start:  time.Date(2026, 11, 2, 3, 4, 5, 67_890_000, time.FixedZone("", -(3*3600+1800))),
		Site:   "example.com", Route: "/a/*",
		Status: 200, Received: 17, Sent: 12345, Took: 1234567 * time.Nanosecond,
	}
	return r
}

func ordinary() *exchange.Request {
	return finished(exchangetest.NewRequest("GET", "https://Example.com:8443/a/b%20c?q=1&token=abc",
		exchangetest.Field("user-agent", `Mozilla/5.0 "x"`), exchangetest.Field("referer", "https://a.example/?code=1"),
		exchangetest.Field("authorization", "Bearer hush"), exchangetest.Field("cookie", "sid=hush")))
}

func failed() *exchange.Request {
	r := finished(exchangetest.NewRequest("DELETE", "/x"))
	r.Record.Status, r.Record.Sent, r.Record.Took = 502, 0, 12*time.Second+340*time.Millisecond
	r.Record.Fault, r.Record.Err = exchange.Upstream, errors.New("dial 10.0.0.1:80: \"refused\"\n")
	return r
}

// proxied was answered by an upstream, cached by a cache alone.
func proxied() *exchange.Request {
	r := ordinary()
	r.Record.Upstream, r.Record.Attempts = "10.0.0.1:9000\n", 2
	r.Record.Connect, r.Record.Waited = 345*time.Microsecond, 12345*time.Microsecond
	r.Record.Cache = "fwd=uri-miss"
	return r
}

func cached() *exchange.Request {
	r := ordinary()
	r.Record.Cache = "hit"
	return r
}

// answered was answered by a plugin, before the upstream was asked.
func answered() *exchange.Request {
	r := ordinary()
	r.Record.Plugin, r.Record.Details = "waf\n", "blocked"
	return r
}

// rejected is what is left of a request that was none.
func rejected() *exchange.Request {
	r := new(exchange.Request)
	r.Reset(&exchange.Conn{}, nil)
	r.Record = exchange.Record{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Status: 400, Sent: 90,
		Took: 50 * time.Microsecond, Fault: exchange.Client, Err: errors.New("malformed request line")}
	return r
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    Options
		r    *exchange.Request
		want string
	}{
		{"console", Options{Format: Console}, ordinary(),
			"2026-11-02 03:04:05.067 200 GET     1.23ms 12.3kB 192.0.2.1       example.com/a/b%20c?q=1&token=REDACTED\n"},
		{"console, colour", Options{Format: Console, Color: true}, ordinary(),
			"\x1b[2m03:04:05.067\x1b[0m \x1b[32m200\x1b[0m GET    \x1b[2m 1.23ms 12.3kB\x1b[0m 192.0.2.1       example.com/a/b%20c?q=1&token=REDACTED\n"},
		{"console, failed", Options{Format: Console}, failed(),
			`2026-11-02 03:04:05.067 502 DELETE   12.3s     0B 192.0.2.1       example.com/x  id=028t5cy4tqkff upstream: dial 10.0.0.1:80: "refused"\x0a` + "\n"},
		{"console, colour, failed", Options{Format: Console, Color: true}, failed(),
			"\x1b[2m03:04:05.067\x1b[0m \x1b[1;31m502\x1b[0m DELETE \x1b[2m  12.3s     0B\x1b[0m 192.0.2.1       example.com/x  \x1b[2mid=028t5cy4tqkff\x1b[0m \x1b[31mupstream: dial 10.0.0.1:80: \"refused\"\\x0a\x1b[0m\n"},
		{"console, rejected", Options{Format: Console}, rejected(),
			"2026-01-01 00:00:00.000 400 -         50µs    90B -               -  id=0000000000000 client: malformed request line\n"},
		{"console, proxied", Options{Format: Console}, proxied(),
			"2026-11-02 03:04:05.067 200 GET     1.23ms 12.3kB 192.0.2.1       example.com/a/b%20c?q=1&token=REDACTED > 10.0.0.1:9000\\x0a 12.3ms x2 fwd=uri-miss\n"},
		{"console, cached", Options{Format: Console}, cached(),
			"2026-11-02 03:04:05.067 200 GET     1.23ms 12.3kB 192.0.2.1       example.com/a/b%20c?q=1&token=REDACTED hit\n"},
		{"console, answered by a plugin", Options{Format: Console}, answered(),
			"2026-11-02 03:04:05.067 200 GET     1.23ms 12.3kB 192.0.2.1       example.com/a/b%20c?q=1&token=REDACTED by waf\\x0a blocked\n"},
		{"json, answered by a plugin", Options{Format: JSON}, answered(),
			`{"time":"2026-11-02T06:34:05.067Z","level":"INFO","msg":"request","id":"028t5cy4tqkff","site":"example.com","route":"/a/*","host":"example.com","method":"GET","path":"/a/b%20c?q=1&token=REDACTED","proto":"HTTP/1.1","status":200,"bytes":12345,"received":17,"dur":0.001234,"client":"192.0.2.1","ua":"Mozilla/5.0 \"x\"","referer":"https://a.example/?code=REDACTED","plugin":"waf\u000a","details":"blocked"}` + "\n"},
		{"json, proxied", Options{Format: JSON}, proxied(),
			`{"time":"2026-11-02T06:34:05.067Z","level":"INFO","msg":"request","id":"028t5cy4tqkff","site":"example.com","route":"/a/*","host":"example.com","method":"GET","path":"/a/b%20c?q=1&token=REDACTED","proto":"HTTP/1.1","status":200,"bytes":12345,"received":17,"dur":0.001234,"client":"192.0.2.1","ua":"Mozilla/5.0 \"x\"","referer":"https://a.example/?code=REDACTED","upstream":"10.0.0.1:9000\u000a","attempts":2,"connect":0.000345,"waited":0.012345,"cache":"fwd=uri-miss"}` + "\n"},
		{"clf, proxied", Options{Format: CLF}, proxied(),
			`192.0.2.1 - - [02/Nov/2026:03:04:05 -0330] "GET /a/b%20c?q=1&token=REDACTED HTTP/1.1" 200 12345` + "\n"},
		{"json", Options{Format: JSON}, ordinary(),
			`{"time":"2026-11-02T06:34:05.067Z","level":"INFO","msg":"request","id":"028t5cy4tqkff","site":"example.com","route":"/a/*","host":"example.com","method":"GET","path":"/a/b%20c?q=1&token=REDACTED","proto":"HTTP/1.1","status":200,"bytes":12345,"received":17,"dur":0.001234,"client":"192.0.2.1","ua":"Mozilla/5.0 \"x\"","referer":"https://a.example/?code=REDACTED"}` + "\n"},
		{"json, failed", Options{Format: JSON}, failed(),
			`{"time":"2026-11-02T06:34:05.067Z","level":"ERROR","msg":"request","id":"028t5cy4tqkff","site":"example.com","route":"/a/*","host":"example.com","method":"DELETE","path":"/x","proto":"HTTP/1.1","status":502,"bytes":0,"received":17,"dur":12.340000,"client":"192.0.2.1","ua":"","referer":"","fault":"upstream","err":"dial 10.0.0.1:80: \"refused\"\u000a"}` + "\n"},
		{"json, rejected", Options{Format: JSON}, rejected(),
			`{"time":"2026-01-01T00:00:00.000Z","level":"INFO","msg":"request","id":"0000000000000","site":"","route":"","host":"","method":"","path":"","proto":"HTTP/?","status":400,"bytes":90,"received":0,"dur":0.000050,"client":"","ua":"","referer":"","fault":"client","err":"malformed request line"}` + "\n"},
		{"clf", Options{Format: CLF}, ordinary(),
			`192.0.2.1 - - [02/Nov/2026:03:04:05 -0330] "GET /a/b%20c?q=1&token=REDACTED HTTP/1.1" 200 12345` + "\n"},
		{"clf, failed", Options{Format: CLF}, failed(),
			`192.0.2.1 - - [02/Nov/2026:03:04:05 -0330] "DELETE /x HTTP/1.1" 502 -` + "\n"},
		{"clf, rejected", Options{Format: CLF}, rejected(),
			`- - - [01/Jan/2026:00:00:00 +0000] "-" 400 90` + "\n"},
		{"combined", Options{Format: Combined}, ordinary(),
			`192.0.2.1 - - [02/Nov/2026:03:04:05 -0330] "GET /a/b%20c?q=1&token=REDACTED HTTP/1.1" 200 12345 "https://a.example/?code=REDACTED" "Mozilla/5.0 \"x\""` + "\n"},
		{"combined, nothing sent", Options{Format: Combined}, failed(),
			`192.0.2.1 - - [02/Nov/2026:03:04:05 -0330] "DELETE /x HTTP/1.1" 502 - "-" "-"` + "\n"},
		{"fields redacted", Options{Format: Combined, Redact: []string{"User-Agent", "referer", "q"}}, ordinary(),
			`192.0.2.1 - - [02/Nov/2026:03:04:05 -0330] "GET /a/b%20c?q=REDACTED&token=REDACTED HTTP/1.1" 200 12345 "REDACTED" "REDACTED"` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := lineOf(t, c.o, c.r); got != c.want {
				t.Errorf("\ngot  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		fault  exchange.Fault
		err    error
		want   string
	}{
		{200, 0, nil, "INFO"},
		{404, exchange.Client, exchange.ErrNotFound, "INFO"},
		{499, exchange.Internal, exchange.ErrClientGone, "INFO"},
		{200, exchange.Upstream, errors.New("body cut"), "WARN"},
		{503, 0, nil, "ERROR"},
		{500, exchange.Plugin, errors.New("trap"), "ERROR"},
	} {
		if got := level(&exchange.Record{Status: c.status, Fault: c.fault, Err: c.err}); got != c.want {
			t.Errorf("%d %v %v: got %s, want %s", c.status, c.fault, c.err, got, c.want)
		}
	}
}

func TestClientAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"192.0.2.77:1":           {"192.0.2.77", "192.0.2.0"},
		"[::ffff:192.0.2.77]:1":  {"192.0.2.77", "192.0.2.0"},
		"[2001:db8:1:2:3::4]:1":  {"2001:db8:1:2:3::4", "2001:db8:1::"},
		"[fe80::1:2%eth0\x1b]:1": {"fe80::1:2", "fe80::"},
	} {
		r := exchangetest.NewRequest("GET", "/", exchangetest.Client(in))
		for i, mask := range []bool{false, true} {
			l := &Log{mask: mask}
			if got := string(l.appendClient(nil, r, "-")); got != want[i] {
				t.Errorf("%s, masked %t: got %s, want %s", in, mask, got, want[i])
			}
		}
	}
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	l := &Log{redact: map[string]bool{"iban": true}}
	for in, want := range map[string]string{
		"/a":                              "/a",
		"/token=1":                        "/token=1",
		"/a?b":                            "/a?b",
		"/a?token":                        "/a?token",
		"/a?token=":                       "/a?token=REDACTED",
		"/a?b=1&token=x&c=2":              "/a?b=1&token=REDACTED&c=2",
		"/a?token=x=y;z?w#v&c=2":          "/a?token=REDACTED&c=2",
		"/a?b=1;password=x":               "/a?b=1;password=REDACTED",
		"/a?token=a&token=b":              "/a?token=REDACTED&token=REDACTED",
		"/a?access_token=x":               "/a?access_token=REDACTED",
		"/a?Access-Token=x":               "/a?Access-Token=REDACTED",
		"/a?access%5ftok%65n=x":           "/a?access%5ftok%65n=REDACTED",
		"/a?user[password]=x":             "/a?user[password]=REDACTED",
		"/a?X-Amz-Signature=x":            "/a?X-Amz-Signature=REDACTED",
		"/a?X-Amz-Credential=x":           "/a?X-Amz-Credential=REDACTED",
		"/a?sig=x&sv=2":                   "/a?sig=REDACTED&sv=2",
		"/a?code=x&state=y":               "/a?code=REDACTED&state=y",
		"/a?key=x&monkey=y":               "/a?key=REDACTED&monkey=y",
		"/a?IBAN=x":                       "/a?IBAN=REDACTED",
		"/a?next=/b?token=x":              "/a?next=/b?token=REDACTED",
		"/a?%=1&%4=2&%zz=3":               "/a?%=1&%4=2&%zz=3",
		"/a?":                             "/a?",
		"/a?&&=&;#":                       "/a?&&=&;#",
		"https://u:p@h.example/x?y=1":     "https://REDACTED@h.example/x?y=1",
		"https://h.example/a@b":           "https://h.example/a@b",
		"https://h.example#id_token=x":    "https://h.example#id_token=REDACTED",
		"/a?" + strings.Repeat("x", 9999): "/a?" + strings.Repeat("x", 4096-3) + "...",
	} {
		if got := string(l.appendURL(nil, in, escapeWord)); got != want {
			t.Errorf("%.80s: got %.80s, want %.80s", in, got, want)
		}
	}
}

func TestSizesAndTimesForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0B", 999: "999B", 1000: "1.00kB", 9999: "9.99kB", 10_000: "10.0kB", 123_456: "123kB",
		999_999: "999kB", 1_000_000: "1.00MB", 1 << 40: "1.09TB", 1<<63 - 1: "9.22EB"} {
		if got := string(appendSize(nil, n)); got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-1: "0µs", 999 * time.Microsecond: "999µs", time.Millisecond: "1.00ms",
		23456 * time.Microsecond: "23.4ms", 999 * time.Millisecond: "999ms", time.Second: "1.00s", 90 * time.Second: "90.0s", time.Hour: "60min"} {
		if got := string(appendDuration(nil, d)); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}

// hostile makes a request in which every field a client has a say in is s, as if
// all checks before had failed.
func hostile(s string) *exchange.Request {
	r := finished(exchangetest.NewRequest("GET", "/"))
	r.Method, r.Target, r.Host, r.Authority = s, "/"+s+"?a="+s+"&token="+s, s, s
	r.Header.Append("user-agent", s)
	r.Header.Append("referer", s)
	r.Record.Fault, r.Record.Err = exchange.Client, errors.New(s)
	return r
}

// checkLine finds what could make a line more or something else than a line.
func checkLine(t *testing.T, format Format, line, s string) {
	t.Helper()
	body, ended := strings.CutSuffix(line, "\n")
	if !ended || !utf8.ValidString(body) {
		t.Errorf("%s, client sent %q: got %q, want valid UTF-8 and a line end", format, s, line)
	}
	for _, c := range body {
		if !unicode.IsPrint(c) {
			t.Errorf("%s, client sent %q: got %q with %U in it", format, s, line, c)
		}
	}
	switch format {
	case JSON:
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil || len(object) != 19 {
			t.Errorf("client sent %q: got %s with %d keys, error %v; want 19 keys", s, line, len(object), err)
		}
	case CLF, Combined:
		unescaped := strings.NewReplacer(`\\`, "", `\"`, "").Replace(body)
		if got, want := strings.Count(unescaped, `"`), map[Format]int{CLF: 2, Combined: 6}[format]; got != want {
			t.Errorf("%s, client sent %q: got %d quotes in %s, want %d", format, s, got, line, want)
		}
	}
}

func TestSecurity_P18_ClientsDataIsEscaped(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"\n", "\r\n200 OK", "\x1b[2J\x1b]0;owned\x07", "\x00", "\x7f", "\u009b31m", "\xff\xfe", "\xc0\xaf", `"`, `\`, `\"`, `","status":200,"x":"`,
		"\u2028", "\u202e", "\ufeff", "\u200b", "😀", "\U000e0001", "ä", "\t", "a b", " - - [", strings.Repeat("\x1b", 10_000),
	} {
		for _, format := range formats {
			checkLine(t, format, lineOf(t, Options{Format: format}, hostile(s)), s)
		}
	}
}

func TestSecurity_P18_CredentialsAreNotLogged(t *testing.T) {
	t.Parallel()
	r := finished(exchangetest.NewRequest("GET", "/?password=hush&api_key=hush", exchangetest.Field("authorization", "Basic hush"),
		exchangetest.Field("proxy-authorization", "hush"), exchangetest.Field("cookie", "session=hush"), exchangetest.Field("x-api-key", "hush"),
		exchangetest.Field("referer", "https://hush:hush@a.example/?session_id=hush")))
	for _, format := range formats {
		if line := lineOf(t, Options{Format: format}, r); strings.Contains(line, "hush") {
			t.Errorf("%s: got a secret in %s", format, line)
		}
	}
}

func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		if n := len(lineOf(t, Options{Format: format}, hostile(strings.Repeat("\x1b", 1<<20)))); n > 80<<10 {
			t.Errorf("%s: got a line of %d bytes", format, n)
		}
	}
}

func TestLinesDoNotAllocate(t *testing.T) {
	for _, format := range formats {
		l, err := New(Options{Format: format, Writer: new(strings.Builder), Redact: []string{"iban"}})
		if err != nil {
			t.Fatal(err)
		}
		r, b := proxied(), make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { b = l.format(l, b[:0], r) }); n != 0 {
			t.Errorf("%s: got %v allocations per line, want 0", format, n)
		}
		l.Close()
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"/a?b=c&token=d", "\x1b[31m", "\u009b", `"\`, "https://u:p@h/?%74oken=1;a=2#b", "\xff?key=\xff"} {
		f.Add(s, uint8(len(s)))
	}
	f.Fuzz(func(t *testing.T, s string, which uint8) {
		format := formats[which%4]
		l := &Log{mask: which&4 != 0}
		r := hostile(s)
		line := map[Format]func(*Log, []byte, *exchange.Request) []byte{
			Console: (*Log).appendConsole, JSON: (*Log).appendJSON, CLF: (*Log).appendCLF, Combined: (*Log).appendCombined,
		}[format](l, nil, r)
		checkLine(t, format, string(line), s)
	})
}
