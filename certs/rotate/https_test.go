package rotate

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

func TestHTTPSRecord_IsWhatResolversRead(t *testing.T) {
	t.Parallel()
	list := appendVector16(nil, echConfig{id: 7, public: make([]byte, 32), publicName: "public.example"}.encode())
	for _, tt := range []struct {
		name        string
		alpn        []string
		port        uint16
		ech         []byte
		owner, text string
	}{
		{"a.example", []string{"h3", "h2"}, 443, list, "a.example.", "a.example. 300 IN HTTPS 1 . alpn=h3,h2 ech=" + base64.StdEncoding.EncodeToString(list)},
		{"a.example.", []string{"h2"}, 0, nil, "a.example.", "a.example. 300 IN HTTPS 1 . alpn=h2"},
		{"a.example", nil, 8443, nil, "_8443._https.a.example.", "_8443._https.a.example. 300 IN HTTPS 1 ."},
		{"a.example", []string{"http/1.1", `a,b\c`, "d e;\"f"}, 443, nil, "a.example.", ""},
	} {
		r := newHTTPSRecord(tt.name, tt.alpn, tt.port, tt.ech)
		if tt.text != "" && r.String() != tt.text {
			t.Errorf("got %q, want %q", r, tt.text)
		}
		rr, err := dns.NewRR(r.String())
		if err != nil {
			t.Errorf("%q: %v", r, err)
			continue
		}
		https, ok := rr.(*dns.HTTPS)
		if !ok || https.Hdr.Name != tt.owner || https.Hdr.Ttl != 300 || https.Priority != 1 || https.Target != "." {
			t.Errorf("%q is read as %v", r, rr)
			continue
		}
		for _, v := range https.Value {
			switch v := v.(type) {
			case *dns.SVCBAlpn:
				if !slices.Equal(v.Alpn, tt.alpn) {
					t.Errorf("%q: protocols %q", r, v.Alpn)
				}
			case *dns.SVCBECHConfig:
				if !bytes.Equal(v.ECH, tt.ech) {
					t.Errorf("%q: ech %x", r, v.ECH)
				}
			default:
				t.Errorf("%q: %v", r, v)
			}
		}
	}
}
