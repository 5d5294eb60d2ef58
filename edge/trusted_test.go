package edge

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// asked makes a request that came from peer with these fields.
func asked(peer string, fields ...string) *exchange.Request {
	c := &exchange.Conn{}
	if peer != "" {
		c.Client = netip.MustParseAddrPort(peer)
	}
	r := new(exchange.Request)
	r.Reset(c, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Append(fields[i], fields[i+1])
	}
	return r
}

func TestTrusted_WhoAsks(t *testing.T) {
	t.Parallel()
	const proxy = "10.0.0.1:1000"
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct {
		name, header, peer string
		fields             []string
		want               string
		trusted            bool
	}{
		{"peer not trusted", "", "192.0.2.9:5", []string{"x-forwarded-for", "1.1.1.1"}, "192.0.2.9:5", false},
		{"no field", "", proxy, nil, proxy, true},
		{"one address", "", proxy, []string{"x-forwarded-for", "1.1.1.1"}, "1.1.1.1:0", true},
		{"what the client wrote", "", proxy, []string{"x-forwarded-for", "6.6.6.6, 1.1.1.1"}, "1.1.1.1:0", true},
		{"through two", "", proxy, []string{"x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.7"}, "1.1.1.1:0", true},
		{"in two fields", "", proxy, []string{"x-forwarded-for", "6.6.6.6", "x-forwarded-for", "1.1.1.1,10.0.0.7"}, "1.1.1.1:0", true},
		{"over two fields", "", proxy, []string{"x-forwarded-for", "6.6.6.6, 1.1.1.1", "x", "y", "x-forwarded-for", "10.0.0.7"}, "1.1.1.1:0", true},
		{"all trusted", "", proxy, []string{"x-forwarded-for", "10.0.0.8, 10.0.0.7"}, "10.0.0.8:0", true},
		{"empty elements", "", proxy, []string{"x-forwarded-for", ", 1.1.1.1 , ,"}, "1.1.1.1:0", true},
		{"bad element first", "", proxy, []string{"x-forwarded-for", "1.1.1.1, nonsense"}, proxy, true},
		{"bad element behind a good one", "", proxy, []string{"x-forwarded-for", "1.1.1.1, nonsense, 10.0.0.7"}, "10.0.0.7:0", true},
		{"with a port", "", proxy, []string{"x-forwarded-for", "1.1.1.1:77"}, "1.1.1.1:77", true},
		{"IPv6", "", proxy, []string{"x-forwarded-for", "2001:db8::1"}, "[2001:db8::1]:0", true},
		{"IPv6 in brackets", "", proxy, []string{"x-forwarded-for", "[2001:db8::1]:77"}, "[2001:db8::1]:77", true},
		{"mapped", "", proxy, []string{"x-forwarded-for", "1.1.1.1, ::ffff:10.0.0.7"}, "1.1.1.1:0", true},
		{"zone", "", proxy, []string{"x-forwarded-for", "fe80::1%eth0"}, proxy, true},
		{"another field", "", proxy, []string{"x-real-ip", "1.1.1.1", "forwarded", "for=1.1.1.1"}, proxy, true},
		{"unix socket", "", "", []string{"x-forwarded-for", "1.1.1.1"}, "1.1.1.1:0", true},

		{"single", "cf-connecting-ip", proxy, []string{"cf-connecting-ip", "1.1.1.1", "x-forwarded-for", "6.6.6.6"}, "1.1.1.1:0", true},
		{"single, twice", "x-real-ip", proxy, []string{"x-real-ip", "6.6.6.6", "x-real-ip", "1.1.1.1"}, proxy, true},
		{"single, a list", "x-real-ip", proxy, []string{"x-real-ip", "6.6.6.6, 1.1.1.1"}, proxy, true},
		{"single, missing", "x-real-ip", proxy, nil, proxy, true},

		{"Forwarded", "forwarded", proxy, []string{"forwarded", "for=1.1.1.1"}, "1.1.1.1:0", true},
		{"Forwarded, more parameters", "forwarded", proxy, []string{"forwarded", `by=_x;For="1.1.1.1:77";proto=https;host="a,b;c"`}, "1.1.1.1:77", true},
		{"Forwarded, IPv6", "forwarded", proxy, []string{"forwarded", `for=6.6.6.6, for="[2001:db8::1]:77", for="[fd00::1]"`}, "[2001:db8::1]:77", true},
		{"Forwarded, escapes", "forwarded", proxy, []string{"forwarded", `for="1\.1.1.1";host="\",\\"`}, "1.1.1.1:0", true},
		{"Forwarded, hidden port", "forwarded", proxy, []string{"forwarded", `for="1.1.1.1:_p"`}, "1.1.1.1:0", true},
		{"Forwarded, hidden", "forwarded", proxy, []string{"forwarded", "for=1.1.1.1, for=_secret, for=10.0.0.7"}, "10.0.0.7:0", true},
		{"Forwarded, unknown", "forwarded", proxy, []string{"forwarded", "for=1.1.1.1, for=unknown"}, proxy, true},
		{"Forwarded, nobody", "forwarded", proxy, []string{"forwarded", "for=1.1.1.1, proto=http"}, proxy, true},
		{"Forwarded, twice", "forwarded", proxy, []string{"forwarded", "for=1.1.1.1;for=1.1.1.2"}, proxy, true},
		{"Forwarded, bare IPv6", "forwarded", proxy, []string{"forwarded", `for="2001:db8::1"`}, proxy, true},
		{"Forwarded, quote left open by the client", "forwarded", proxy, []string{"forwarded", `for="6.6.6.6, for=1.1.1.1`}, "1.1.1.1:0", true},
		{"Forwarded, quote left open, through two", "forwarded", proxy, []string{"forwarded", `for=6.6.6.6, host="x, for=1.1.1.1, for=10.0.0.7`}, "1.1.1.1:0", true},
		{"Forwarded, spaces around =", "forwarded", proxy, []string{"forwarded", "for = 1.1.1.1"}, proxy, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			snap := &Snapshot{Trusted: trusted, TrustUnix: true, TrustedHeader: tt.header}
			r := asked(tt.peer, tt.fields...)
			snap.begin(r)
			if got := r.Client.String(); got != tt.want || r.Trusted != tt.trusted {
				t.Errorf("%q: client %s, trusted %v; want %s, %v", tt.fields, got, r.Trusted, tt.want, tt.trusted)
			}
		})
	}
}

func TestTrusted_NobodyUnlessAsked(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"", "10.0.0.1:1"} {
		r := asked(peer, "x-forwarded-for", "1.1.1.1")
		(&Snapshot{}).begin(r)
		if r.Trusted || r.Client != r.Conn.Client {
			t.Errorf("peer %q: client %s, trusted %v", peer, r.Client, r.Trusted)
		}
	}
}

// FuzzTrusted: whatever clients send, what a trusted proxy appends is what counts.
func FuzzTrusted(f *testing.F) {
	for _, s := range []string{"1.1.1.1", `for="[::1]:1";by=_x, for=unknown`, `for="a\"`, "a,b,,c:1", `"`, `\"`, "[::1", "1:2:3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		if !exchange.ValidValue(sent) {
			t.Skip()
		}
		for _, header := range []string{forwardedFor, forwarded, "x-real-ip"} {
			snap := &Snapshot{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, TrustedHeader: header}
			alone := asked("10.0.0.1:1", header, sent)
			snap.begin(alone)
			if c := alone.Client; !c.Addr().IsValid() || c.Addr().Is4In6() || c.Addr().Zone() != "" {
				t.Errorf("%s %q: client %s", header, sent, c)
			}
			appended := ", 1.1.1.1, 10.0.0.7"
			if header == forwarded {
				appended = `, for="1.1.1.1", by=x;for=10.0.0.7`
			}
			r := asked("10.0.0.1:1", header, strings.TrimSpace(sent+appended))
			snap.begin(r)
			if want := "1.1.1.1:0"; header != "x-real-ip" && r.Client.String() != want {
				t.Errorf("%s %q: client %s, want %s", header, sent+appended, r.Client, want)
			}
		}
	})
}

func BenchmarkTrusted(b *testing.B) {
	for _, n := range []int{0, 1, 22} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			snap := &Snapshot{}
			for i := range n {
				snap.Trusted = append(snap.Trusted, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(10 + n - 1 - i), 0, 0, 0}), 8))
			}
			r := asked("10.0.0.1:1", "user-agent", "x", "x-forwarded-for", "192.0.2.1")
			b.ReportAllocs()
			for b.Loop() {
				snap.begin(r)
			}
		})
	}
}
