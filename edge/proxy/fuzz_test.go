package proxy

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// FuzzFields: whatever a client sends, its upstream gets valid fields, none that
// belongs to the connection or frames the message, and of who asks nothing but what
// weir says.
func FuzzFields(f *testing.F) {
	f.Add("connection: x\nx: y\nx_forwarded_for: 1\ncookie: a\ncookie: b", uint8(2), false)
	f.Add("te: trailers\nvia: 1.1 x\nforwarded: for=x\nx-forwarded-prefix: /a", uint8(3), true)
	f.Add("expect: 100-continue\nmax-forwards: 3\nconnection: ,,\"a\",", uint8(1), true)
	f.Fuzz(func(t *testing.T, text string, proto uint8, trust bool) {
		r := exchangetest.NewRequest("POST", "/", exchangetest.Chunked("x"), over(exchange.Proto(proto%4+1)))
		r.Trusted = trust
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(line, ":")
			_ = r.Header.Add(name, strings.TrimSpace(value)) // what is not valid is no client's
		}
		p, err := assemble(Options{Forwarded: true}, shares{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.compose(r)
		if err != nil {
			return
		}
		for name, value := range c.Header.All() {
			if !exchange.ValidName(name) || !exchange.ValidValue(value) {
				t.Errorf("%q: forwarded %q: %q", text, name, value)
			}
			if common.fate(name) == dropped && name != "x-real-ip" {
				t.Errorf("%q: forwarded %s", text, name)
			}
			if common.fate(name) == believed && !trust {
				t.Errorf("%q: forwarded %s: %q", text, name, value)
			}
			if name == "te" && value != "trailers" {
				t.Errorf("%q: forwarded te: %q", text, value)
			}
		}
		for _, name := range []string{"x-forwarded-for", "forwarded", "x-real-ip", "cookie", "te"} {
			n := 0
			for range c.Header.Values(name) {
				n++
			}
			if n > 1 {
				t.Errorf("%q: forwarded %d fields %s", text, n, name)
			}
		}
		if last := "192.0.2.1"; !strings.HasSuffix(c.Header.Get("x-forwarded-for"), last) || !trust && c.Header.Get("x-forwarded-for") != last {
			t.Errorf("%q: forwarded for %q", text, c.Header.Get("x-forwarded-for"))
		}
	})
}
