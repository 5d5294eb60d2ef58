package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// trusted makes the peer a proxy that is believed, on whose word 203.0.113.7 asks.
func trusted(r *exchange.Request) {
	r.Trusted = true
	r.Client = netip.MustParseAddrPort("203.0.113.7:0")
}

func over(p exchange.Proto) exchangetest.Option {
	return func(r *exchange.Request) { r.Proto = p }
}

// fields makes options of lines "name: value".
func fields(text string) (all []exchangetest.Option) {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all = append(all, exchangetest.Field(name, strings.TrimSpace(value)))
		}
	}
	return all
}

// addFields adds lines "name: value" to h.
func addFields(h *exchange.Header, text string) {
	r := exchangetest.NewRequest("GET", "/", fields(text)...)
	for name, value := range r.Header.All() {
		h.Append(name, value)
	}
}

// added is what comes behind the fields of an ordinary request.
const added = `x-forwarded-for: 192.0.2.1
x-real-ip: 192.0.2.1
x-forwarded-proto: http
x-forwarded-host: example.com
x-forwarded-port: 80
x-request-id: ID
via: 1.1 weir
`

var early = strings.Replace(added, "via:", "early-data: 1\nvia:", 1)

func TestRequestFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fields, want string
		options            []exchangetest.Option
		o                  Options
	}{
		{name: "plain", fields: "host: example.com\nuser-agent: x\naccept: */*", want: "user-agent: x\naccept: */*\n" + added},
		{name: "order and repetition stay", fields: "b: 1\na: 2\nb: 3", want: "b: 1\na: 2\nb: 3\n" + added},
		{name: "hop by hop", fields: `connection: close
			keep-alive: timeout=5
			proxy-connection: keep-alive
			proxy-authenticate: Basic
			proxy-authorization: Basic eDp5
			transfer-encoding: chunked
			content-length: 0
			upgrade: h2c
			http2-settings: AAMAAABkAAQAAP__
			proxy: http://evil.example/`, want: added},
		{name: "trailer announcement is end to end", fields: "trailer: x-sum", want: "trailer: x-sum\n" + added},
		{name: "te trailers", fields: "te: gzip, Trailers;q=0.5\nte: trailers", want: "te: trailers\n" + added},
		{name: "te without trailers", fields: "te: gzip", want: added},
		{name: "nominees of all lines", fields: "connection: close\nx-a: 1\nconnection: X-A , ,x-b\nx-b: 2\nx-c: 3\nconnection:", want: "x-c: 3\n" + added},
		{name: "cookie crumbs", fields: "cookie: a=1\nx: y\ncookie: b=2\ncookie: c=3", want: "cookie: a=1; b=2; c=3\nx: y\n" + added},
		{name: "via is continued", fields: "via: 1.0 fred, 1.1 weir", want: "via: 1.0 fred, 1.1 weir\n" + added},
		{name: "early data of a proxy in front", fields: "early-data: 1\nx: y\nEarly-Data: what", want: "x: y\n" + early},
		{name: "early data nominated away", fields: "connection: early-data\nearly-data: 1", want: early},
		{name: "early data of our own", fields: "early-data: 1", options: []exchangetest.Option{func(r *exchange.Request) { r.Early = true }}, want: early},
		{name: "early data, the field lost on the way", options: []exchangetest.Option{func(r *exchange.Request) { r.Early = true }}, want: early},
		{name: "early data in another spelling", fields: "early_data: 1", want: added},
		{name: "IPv6 client", options: []exchangetest.Option{exchangetest.Client("[2001:db8::1]:99")}, o: Options{Forwarded: true},
			want: strings.NewReplacer("192.0.2.1", "2001:db8::1", "x-forwarded-proto", "forwarded: for=\"[2001:db8::1]\";host=\"example.com\";proto=http\nx-forwarded-proto").Replace(added)},
		{name: "mapped IPv4 client", options: []exchangetest.Option{exchangetest.Client("[::ffff:192.0.2.1]:99")}, want: added},
		{name: "forwarded", fields: "forwarded: for=1.2.3.4", o: Options{Forwarded: true},
			want: strings.Replace(added, "x-forwarded-proto", "forwarded: for=192.0.2.1;host=\"example.com\";proto=http\nx-forwarded-proto", 1)},
		{name: "HTTP/2", options: []exchangetest.Option{over(exchange.HTTP2)}, want: strings.Replace(added, "via: 1.1", "via: 2", 1)},
		{name: "HTTP/1.0", options: []exchangetest.Option{over(exchange.HTTP10)}, want: strings.Replace(added, "via: 1.1", "via: 1.0", 1)},
		{name: "unix socket", options: []exchangetest.Option{func(r *exchange.Request) { r.Conn, r.Client = &exchange.Conn{}, netip.AddrPort{} }}, o: Options{Forwarded: true},
			want: strings.Replace(added, "x-forwarded-for: 192.0.2.1\nx-real-ip: 192.0.2.1\n", "forwarded: for=unknown;host=\"example.com\";proto=http\n", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := forwarded(t, c.o, exchangetest.NewRequest("GET", "/", append(fields(c.fields), c.options...)...))
			if lines(&got.Header) != c.want {
				t.Errorf("fields: got\n%s\nwant\n%s\nof\n%s", lines(&got.Header), c.want, c.fields)
			}
		})
	}
}

const claims = `x-forwarded-for: 10.9.9.9
x-forwarded-for: 203.0.113.7
x-forwarded-proto: https
x-forwarded-host: public.example
x-forwarded-port: 8443
x-forwarded-prefix: /outer
x-forwarded-user: root
x-real-ip: 10.9.9.9
x-request-id: theirs
forwarded: for=10.9.9.9
remote-user: root
x-original-url: /admin
cf-connecting-ip: 10.9.9.9
`

func TestTrustedPeersAreBelieved(t *testing.T) {
	t.Parallel()
	got := forwarded(t, Options{Forwarded: true}, exchangetest.NewRequest("GET", "/", append(fields(claims), trusted)...))
	want := `x-forwarded-proto: https
x-forwarded-host: public.example
x-forwarded-port: 8443
x-forwarded-user: root
x-request-id: theirs
remote-user: root
x-original-url: /admin
cf-connecting-ip: 10.9.9.9
x-forwarded-for: 10.9.9.9, 203.0.113.7, 192.0.2.1
x-real-ip: 203.0.113.7
forwarded: for=10.9.9.9, for=192.0.2.1;host="example.com";proto=http
x-forwarded-prefix: /outer
via: 1.1 weir
`
	if lines(&got.Header) != want {
		t.Errorf("got\n%s\nwant\n%s", lines(&got.Header), want)
	}
	if !got.Secure {
		t.Error("secure: got false, want the word of the trusted peer")
	}
	if got.Client.Addr().String() != "203.0.113.7" {
		t.Errorf("client of the call: got %v, want the one that the trusted peer names", got.Client)
	}
}

// TestSecurity_G11: what a client says of its address, or of who it is, does not
// reach the upstream, whatever the spelling.
func TestSecurity_G11_ClaimsOfClientsAreDropped(t *testing.T) {
	t.Parallel()
	got := forwarded(t, Options{}, exchangetest.NewRequest("GET", "/", fields(claims)...))
	if lines(&got.Header) != added {
		t.Errorf("got\n%s\nwant\n%s", lines(&got.Header), added)
	}
}

// TestSecurity_P9: an application that reads fields by CGI's rules must not take
// "x_forwarded_for" for what weir says. Not even a trusted proxy writes so.
func TestSecurity_P9_IdentityInAnySpelling(t *testing.T) {
	t.Parallel()
	names := []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything", "x-real-ip", "remote-user", "remote-groups",
		"x-remote-user", "x-auth-request-email", "ssl-client-verify", "x-client-cert", "x-original-url", "x-request-id", "proxy-authorization", "content-length", "transfer-encoding"}
	for _, name := range names {
		for _, by := range []string{"_", ".", "~"} {
			for _, spelling := range []string{strings.ReplaceAll(name, "-", by), strings.Replace(name, "-", by, 1)} {
				for _, trust := range []bool{false, true} {
					r := exchangetest.NewRequest("GET", "/", exchangetest.Field(spelling, "1"))
					r.Trusted = trust
					if got := forwarded(t, Options{}, r); lines(&got.Header) != added {
						t.Errorf("%s (trusted %v): got\n%s\nwant\n%s", spelling, trust, lines(&got.Header), added)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		identity []string
		name     string
		passes   bool
	}{
		{[]string{"X-User"}, "x-user", false},
		{[]string{"X_User"}, "x-user", false},
		{[]string{"X-User"}, "x_user", false},
		{[]string{"x-me-*"}, "x-me-name", false},
		{[]string{"x-me-*"}, "x_me_name", false},
		{[]string{"x-me-*"}, "x-men", true},
		{[]string{}, "remote-user", true},
		{[]string{}, "x-forwarded-user", false},
		{nil, "remote-user", false},
		{nil, "remote", true},
		{nil, "authorization", true},
		{nil, "my_header", true},
	} {
		got := forwarded(t, Options{Identity: c.identity}, exchangetest.NewRequest("GET", "/", exchangetest.Field(c.name, "1")))
		if got.Header.Has(c.name) != c.passes {
			t.Errorf("identity %q, field %s: passes %v, want %v", c.identity, c.name, got.Header.Has(c.name), c.passes)
		}
	}
}

// TestSecurity_P5: Connection takes nothing away that weir says, nor what an upstream
// decides by.
func TestSecurity_P5_ConnectionCannotNominateWhatMatters(t *testing.T) {
	t.Parallel()
	kept := "authorization: Bearer x\ncookie: a=b\ncontent-type: text/plain\norigin: http://a.example\nif-match: \"1\"\nsec-fetch-site: cross-site\naccept: */*\n"
	got := forwarded(t, Options{}, exchangetest.NewRequest("GET", "/", fields(kept+`x-mine: 1
connection: x-forwarded-for, X-Forwarded-Proto, x-forwarded-host, x-real-ip, via, host, x-request-id
connection: Authorization, cookie, Content-Type, content-length, origin, if-match, sec-fetch-site, accept, x-mine`)...))
	if want := kept + added; lines(&got.Header) != want {
		t.Errorf("got\n%s\nwant\n%s", lines(&got.Header), want)
	}
	// Nor does a trusted proxy's, which may pass on its client's.
	got = forwarded(t, Options{}, exchangetest.NewRequest("GET", "/", append(fields("x-forwarded-for: 203.0.113.7\nremote-user: joe\nconnection: x-forwarded-for, remote-user"), trusted)...))
	if v := got.Header.Get("x-forwarded-for"); v != "203.0.113.7, 192.0.2.1" {
		t.Errorf("x-forwarded-for of a trusted proxy: got %q", v)
	}
	if v := got.Header.Get("remote-user"); v != "joe" {
		t.Errorf("remote-user of a trusted proxy: got %q, want joe", v)
	}
}

// TestSecurity_G10: an empty first Connection line hides no other.
func TestSecurity_G10_EveryConnectionLineCounts(t *testing.T) {
	t.Parallel()
	got := forwarded(t, Options{}, exchangetest.NewRequest("GET", "/", fields("connection:\nconnection: x-a\nx-a: 1\nconnection: x-b\nx-b: 1")...))
	if lines(&got.Header) != added {
		t.Errorf("got\n%s\nwant\n%s", lines(&got.Header), added)
	}
	many := strings.Builder{}
	for i := range 17 {
		many.WriteString("x" + string(rune('a'+i)) + ",")
	}
	p := newTestProxy(t, Options{}, new(recordingPool).take)
	_, err := p.Handle(exchangetest.NewRequest("GET", "/", exchangetest.Field("connection", many.String())))
	if e, ok := err.(*exchange.Error); !ok || e.Status != 400 {
		t.Errorf("more nominees than are kept: got %v, want status 400", err)
	}
}

func TestEveryRuleIsFound(t *testing.T) {
	t.Parallel()
	for _, r := range ruled {
		if got := common.fate(r.name); got != r.fate {
			t.Errorf("fate of %s: got %d, want %d", r.name, got, r.fate)
		}
	}
	for _, name := range DefaultIdentity() {
		if got := common.fate(strings.ReplaceAll(name, "*", "x")); got != believed {
			t.Errorf("fate of %s: got %d, want %d", name, got, believed)
		}
	}
	for _, name := range []string{"accept", "user-agent", "x-foo", "a", "authorization", "sec-ch-ua", "range", "z", "_", "0"} {
		if got := common.fate(name); got != passes {
			t.Errorf("fate of %s: got %d, want %d", name, got, passes)
		}
	}
}
