package listen_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/listen"
)

func TestTrusted_Contains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list, in, out string
	}{
		{"", "", "127.0.0.1 ::1"},
		{"loopback", "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1", "128.0.0.0 ::2 10.0.0.1"},
		{"private", "10.1.2.3 172.31.255.255 192.168.0.0 fd00::1 fc00:: 127.0.0.1 ::1", "172.32.0.0 11.0.0.0 192.169.0.0 fe80::1 169.254.1.1 8.8.8.8"},
		{"192.0.2.1 2001:db8::/32", "192.0.2.1 2001:db8:ffff::1 ::ffff:192.0.2.1", "192.0.2.0 192.0.2.2 2001:db9::"},
		{"::ffff:10.0.0.0/104", "10.9.9.9 ::ffff:10.0.0.1", "11.0.0.0"},
		{"fe80::/10", "fe80::1%eth0 fe80::1", "::1"},
		{"0.0.0.0/0", "8.8.8.8 ::ffff:8.8.8.8", "::1"},
		{"10.0.0.0/8 10.1.0.0/16 10.1.2.3 192.0.2.0/24", "10.1.2.3 10.1.2.4 10.255.255.255 192.0.2.9", "11.0.0.0 9.255.255.255 192.0.3.0"},
	} {
		set, err := listen.ParseTrusted(strings.Fields(c.list))
		if err != nil {
			t.Errorf("ParseTrusted(%q): %v", c.list, err)
			continue
		}
		for s := range strings.FieldsSeq(c.in) {
			if !set.Contains(netip.MustParseAddr(s)) {
				t.Errorf("%q holds %s: false; want true", c.list, s)
			}
		}
		for s := range strings.FieldsSeq(c.out) {
			if set.Contains(netip.MustParseAddr(s)) {
				t.Errorf("%q holds %s: true; want false", c.list, s)
			}
		}
		if set.Contains(netip.Addr{}) {
			t.Errorf("%q holds the peer of a unix socket; want it only by name", c.list)
		}
	}
}

func TestTrusted_UnixAndNil(t *testing.T) {
	t.Parallel()
	set, err := listen.ParseTrusted([]string{"unix", "10.0.0.0/8", "10.1.0.0/16"})
	if err != nil || !set.Contains(netip.Addr{}) || set.Contains(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("the set of unix = %v, %v; want the zero Addr in it, 127.0.0.1 not", set, err)
	}
	if got, want := set.String(), "10.0.0.0/8 unix"; got != want {
		t.Errorf("String = %q; want %q", got, want)
	}
	var none *listen.Trusted
	if none.Contains(netip.MustParseAddr("127.0.0.1")) || none.Contains(netip.Addr{}) || none.String() != "" {
		t.Error("a nil set holds something; want nothing")
	}
}

func TestTrusted_RefusesWithAHint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, hint string }{
		{"", "not an address"},
		{"10.0.0.1/8", "write 10.0.0.0/8"},
		{"10.0.0.0/33", "not an address"},
		{"fe80::1%eth0", "not an address"},
		{"privat", `"private"`},
		{"10.0.0", "not an address"},
		{"example.com", "not an address"},
	} {
		set, err := listen.ParseTrusted([]string{c.in})
		if err == nil || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("ParseTrusted(%q) = %v, %v; want an error with %q", c.in, set, err, c.hint)
		}
	}
}

func FuzzTrusted(f *testing.F) {
	f.Add("10.0.0.0/8 private 10.1.0.0/16 ::/0", "10.0.0.1")
	f.Add("loopback 2001:db8::/32 2001:db8:1::/48", "2001:db8:1::1")
	f.Add("::ffff:1.2.3.0/120 1.2.3.4", "1.2.3.4")
	f.Fuzz(func(t *testing.T, list, addr string) {
		a, err := netip.ParseAddr(addr)
		if err != nil {
			return
		}
		set, err := listen.ParseTrusted(strings.Fields(list))
		if err != nil {
			return
		}
		want := false
		for s := range strings.FieldsSeq(list) {
			one, err := listen.ParseTrusted([]string{s})
			if err != nil {
				t.Fatalf("%q is refused alone: %v", s, err)
			}
			want = want || one.Contains(a)
		}
		if got := set.Contains(a); got != want {
			t.Errorf("%q holds %s: %v; want %v, as its parts do", list, a, got, want)
		}
	})
}

func BenchmarkTrusted(b *testing.B) {
	for _, n := range []int{1, 1000} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
		}
		set, err := listen.ParseTrusted(list)
		if err != nil {
			b.Fatal(err)
		}
		a := netip.MustParseAddr("10.0.0.7")
		b.Run(fmt.Sprintf("%dprefixes", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Contains(a)
			}
		})
	}
}
