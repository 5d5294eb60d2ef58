package upstream

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCheck_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	one := hosts("10.0.0.1")
	h2 := []Endpoint{{URL: "h2://10.0.0.1"}}
	for _, c := range []struct {
		s    Settings
		want string // in the error; "" for none
	}{
		{Settings{Endpoints: one}, ""},
		{Settings{}, "endpoints: none"},
		{Settings{Endpoints: []Endpoint{{URL: "http://a", Weight: -1}}}, "endpoints[0]: weight -1"},
		{Settings{Endpoints: one, Policy: "fastest"}, `policy: "fastest": want one of least-requests`},
		{Settings{Endpoints: one, Policy: "hash"}, "hash: goes with policy hash"},
		{Settings{Endpoints: one, Hash: "ip"}, "hash: goes with policy hash"},
		{Settings{Endpoints: one, Policy: "hash", Hash: "header a b"}, `hash: "header a b": want "ip"`},
		{Settings{Endpoints: one, Policy: "hash", Hash: "cookie sid"}, ""},
		{Settings{Endpoints: one, Policy: "hash", Hash: "ip", Sticky: "a"}, "sticky: policy hash binds"},
		{Settings{Endpoints: one, Sticky: "a b"}, "sticky:"},
		{Settings{Endpoints: one, Health: Health{Path: "/x"}}, "health: interval: 0"},
		{Settings{Endpoints: one, Health: Health{Interval: 1, Path: "x"}}, "health: path"},
		{Settings{Endpoints: one, Health: Health{Interval: 1, Path: "/a b"}}, "health: path"},
		{Settings{Endpoints: one, Health: Health{Interval: 1, Kind: "udp"}}, "health: kind"},
		{Settings{Endpoints: one, Health: Health{Interval: 1, Kind: "grpc"}}, "health: kind: grpc: needs h2"},
		{Settings{Endpoints: h2, Health: Health{Interval: 1, Kind: "grpc"}}, ""},
		{Settings{Endpoints: []Endpoint{{URL: "h3://a"}}, Health: Health{Interval: 1, Kind: "tcp"}}, "an h3 endpoint has no TCP"},
		{Settings{Endpoints: one, Health: Health{Interval: 1, Host: "a/b"}}, "health: host"},
		{Settings{Endpoints: one, Health: Health{Interval: 1, Statuses: [2]int{300, 200}}}, "health: statuses"},
		{Settings{Endpoints: one, Health: Health{Interval: -1}}, "health: interval"},
		{Settings{Endpoints: one, Eject: Eject{Most: 101}}, "more than 100 percent"},
		{Settings{Endpoints: one, Limits: Limits{Requests: -1}}, "limits: requests"},
		{Settings{Endpoints: one, Retry: Retry{Statuses: []int{200}}}, "retry: statuses: 200"},
		{Settings{Endpoints: one, Proxy: 3}, "proxy: version 3"},
		{Settings{Endpoints: h2, Proxy: 1}, "proxy: a PROXY header needs http"},
		{Settings{Endpoints: one, TLS: TLS{Insecure: true}}, "tls: no endpoint has TLS"},
		{Settings{Endpoints: h2, TLS: TLS{Cert: "c.pem"}}, "tls: cert and key"},
		{Settings{Endpoints: h2, TLS: TLS{CA: []string{"ca.pem"}, Insecure: true}}, "tls: insecure"},
		{Settings{Endpoints: h2, TLS: TLS{MinVersion: 7}}, "tls: min version"},
	} {
		err := c.s.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %v, want %q", c.s, err, c.want)
		}
	}
	// All at once.
	err := Settings{Endpoints: []Endpoint{{URL: "a"}, {URL: "ftp://b"}}, Policy: "x", Proxy: 9}.Check()
	if n := strings.Count(err.Error(), "\n"); n != 3 {
		t.Errorf("got %d lines, want 4 mistakes: %v", n+1, err)
	}
}

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]origin{
		"http://10.0.0.1":           {protocol: "http", host: "10.0.0.1", port: "80", lookup: "10.0.0.1"},
		"https://App.Example:8443/": {protocol: "https", host: "app.example", port: "8443", lookup: "app.example"},
		"h2c://[::1]:0080":          {protocol: "h2c", host: "::1", port: "80", lookup: "::1"},
		"h3://app.example.":         {protocol: "h3", host: "app.example", port: "443", lookup: "app.example."},
		"unix:/run/app.sock":        {protocol: "http", socket: "/run/app.sock"},
		"unix:///run/app.sock":      {protocol: "http", socket: "/run/app.sock"},
		"srv+http://_app._tcp.test": {protocol: "http", service: "_app._tcp.test", lookup: "_app._tcp.test"},
	} {
		if got, err := parseOrigin(url); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", url, got, err, want)
		}
	}
	for _, url := range []string{
		"", "10.0.0.1", "10.0.0.1:80", "ftp://a", "http:a", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:b",
		"http://a/path", "http://a?q", "http://u@a", "http://a b", "http://a\r\nb", "http://[::1", "http://[fe80::1%25eth0]",
		"unix:app.sock", "unix:", "unix:/a\x00b", "unix:/" + strings.Repeat("a", 107), "srv+http://a:80", "srv+unix:/a", "srv+srv+http://a",
		"HTTP://a",
	} {
		if got, err := parseOrigin(url); err == nil {
			t.Errorf("%q: got %+v, want an error", url, got)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"http://10.0.0.1:80", "srv+h2://_a._tcp.b", "unix:/a", "h3://[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseOrigin(s)
		if err != nil || o.socket != "" || o.service != "" {
			return
		}
		if strings.ContainsAny(o.host+o.port, " /?#@\r\n\x00") || o.host == "" || o.port == "" || o.port == "0" {
			t.Errorf("%q gives %+v", s, o)
		}
		again, err := parseOrigin(o.protocol + "://" + net.JoinHostPort(o.host, o.port))
		if again.lookup = o.lookup; err != nil || again != o {
			t.Errorf("%q gives %+v, and that %+v, %v", s, o, again, err)
		}
	})
}

// TestSecurity_P8_BadFilesStopPools asks for pools whose TLS files are bad.
func TestSecurity_P8_BadFilesStopPools(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, ok)
	for _, s := range []TLS{
		{CA: []string{filepath.Join(dir, "missing.pem")}},
		{CA: []string{junk}},
		{Cert: junk, Key: junk},
	} {
		_, err := w.Pool("app", Settings{Endpoints: []Endpoint{{URL: "https://10.0.0.1"}}, TLS: s})
		if err == nil || !strings.Contains(err.Error(), `make upstream "app": tls: `) {
			t.Errorf("%+v: got %v, want an error", s, err)
		}
	}
	if n := len(w.Status()); n != 0 {
		t.Errorf("%d pools were made", n)
	}
}

// TestSecurity_P19_ProxyHeadersHaveNothingElse makes headers from addresses of all
// kinds: only forms of known size come out.
func TestSecurity_P19_ProxyHeadersHaveNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, dst, v1, v2 string }{
		{"192.0.2.1:1234", "198.51.100.2:443", "PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r\n",
			"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\xd2\x01\xbb"},
		{"[::ffff:192.0.2.1]:1", "198.51.100.2:2", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
			"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x00\x01\x00\x02"},
		{"[2001:db8::1]:1", "[2001:db8::2]:65535", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
			"\x21\x21\x00\x24\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x02\x00\x01\xff\xff"},
		{"[2001:db8::1]:1", "192.0.2.1:2", "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 2\r\n",
			"\x21\x21\x00\x24\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01" + strings.Repeat("\x00", 10) + "\xff\xff\xc0\x00\x02\x01\x00\x01\x00\x02"},
		{"[fe80::1%eth0 evil\r\n]:1", "[fe80::2%x]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n",
			"\x21\x21\x00\x24\xfe\x80" + strings.Repeat("\x00", 13) + "\x01\xfe\x80" + strings.Repeat("\x00", 13) + "\x02\x00\x01\x00\x02"},
		{"", "192.0.2.1:2", "PROXY UNKNOWN\r\n", "\x20\x00\x00\x00"},
		{"192.0.2.1:2", "", "PROXY UNKNOWN\r\n", "\x20\x00\x00\x00"},
	} {
		src, dst := address(t, c.src), address(t, c.dst)
		if got := string(appendProxy(nil, 1, src, dst)); got != c.v1 {
			t.Errorf("%s to %s: version 1 is %q, want %q", c.src, c.dst, got, c.v1)
		}
		if got, want := string(appendProxy(nil, 2, src, dst)), proxySignature+c.v2; got != want {
			t.Errorf("%s to %s: version 2 is %q, want %q", c.src, c.dst, got, want)
		}
	}
	for range 2000 {
		src, dst := randomAddress(), randomAddress()
		one, two := appendProxy(nil, 1, src, dst), appendProxy(nil, 2, src, dst)
		if len(one) > proxyLongest || strings.Count(string(one), "\r\n") != 1 || !strings.HasSuffix(string(one), "\r\n") {
			t.Fatalf("%v to %v: version 1 is %q", src, dst, one)
		}
		if n := len(two); n != 28 && n != 52 || int(two[14])<<8|int(two[15]) != n-16 {
			t.Fatalf("%v to %v: version 2 is %q", src, dst, two)
		}
	}
}

func address(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	if s == "" {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func randomAddress() netip.AddrPort {
	var b [16]byte
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	ip := netip.AddrFrom16(b).WithZone(strings.Repeat("z", rand.IntN(200)))
	if rand.IntN(2) == 0 {
		ip = netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrPortFrom(ip, uint16(rand.Uint32()))
}

func TestDefaults_NegativeTimeoutsAreNone(t *testing.T) {
	t.Parallel()
	got := Settings{Timeouts: Timeouts{Connect: -1, Head: time.Second}}.withDefaults().Timeouts
	if got.Connect != 0 || got.Head != time.Second || got.Idle != time.Minute || got.Whole != 0 {
		t.Errorf("got %+v", got)
	}
}
