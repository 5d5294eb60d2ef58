package issuer

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/weirproxy/weir/certs/certstest"
)

func FuzzParseChain(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, chain []byte) {
		certs, err := parseChain(chain)
		if err != nil {
			return
		}
		if len(certs) == 0 || len(certs) > maxLinks {
			t.Errorf("%d certificates", len(certs))
		}
		for _, c := range certs {
			if _, err := x509.ParseCertificate(c.Raw); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzParseRenewal(f *testing.F) {
	f.Add([]byte(`{"suggestedWindow":{"start":"2026-01-02T04:00:00Z","end":"2026-01-03T04:00:00Z"},"explanationURL":"https://ca.example/"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := parseRenewal(doc)
		if err == nil && (r.Selected.Before(r.Start) || r.Selected.After(r.End) || !r.Supported) {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzParseDirectory(f *testing.F) {
	f.Add([]byte(`{"newNonce":"https://a/","newAccount":"https://a/","newOrder":"https://a/","revokeCert":"https://a/","meta":{"profiles":{"a":"b"}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		dir, err := parseDirectory(doc, false)
		if err == nil && !strings.HasPrefix(strings.ToLower(dir.NewOrder), "https://") {
			t.Errorf("%+v", dir)
		}
	})
}

func FuzzParseEAB(f *testing.F) {
	f.Add(200, []byte(`{"success":true,"eab_kid":"k","eab_hmac_key":"aGVsbG8"}`))
	f.Add(200, []byte(`{"success":false,"error":{"code":2900,"type":"invalid_email"}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if eab, err := parseEAB(status, body); err == nil && (eab.KeyID == "" || eab.HMAC == "") {
			t.Errorf("%+v", eab)
		}
	})
}

func FuzzDecodeAccount(f *testing.F) {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
	f.Add([]byte(`{"key":"` + strings.ReplaceAll(key, "\n", `\n`) + `","location":"https://a/"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if a, err := decodeAccount(value); err == nil && a.PrivateKey == nil {
			t.Error("no key")
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "retry after 2026-12-05 10:00:00 UTC")
	f.Add(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "retry after 2026-12-05T10:00:00Z: see")
	f.Fuzz(func(t *testing.T, field, text string) {
		now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
		if d, ok := retryAfter(field, now); d < 0 || d > maxWait || !ok && d != 0 {
			t.Errorf("retryAfter(%q) = %v, %v", field, d, ok)
		}
		if at := retryIn(text, now); !at.IsZero() && (at.Before(now) || at.After(now.Add(maxWait))) {
			t.Errorf("retryIn(%q) = %v", text, at)
		}
	})
}

func FuzzBrief(f *testing.F) {
	f.Add("a\x1b[2Jb\r\n\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		if got := brief(s); len(got) > 700*3 || strings.IndexFunc(got, unicode.IsControl) >= 0 {
			t.Errorf("brief(%q) = %q", s, got)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add("example.com:80", "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", []byte(`{"name":"example.com","keyAuth":"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.t"}`))
	f.Add("[::1]", "example.com", []byte(`{"name":"::1"}`))
	f.Fuzz(func(t *testing.T, host, token string, value []byte) {
		var shared certstest.MemoryStore
		n := shared.Node()
		a := NewAnswers(n, nil)
		for _, key := range []string{httpKey(token), alpnKey(strings.ToLower(token))} {
			if err := n.Put(t.Context(), key, value, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok := a.HTTP(t.Context(), host, token); ok && !strings.HasPrefix(got, token+".") {
			t.Errorf("HTTP(%q, %q) = %q", host, token, got)
		}
		if cert, err := a.ALPN(t.Context(), token); err == nil && len(cert.Certificate) != 1 {
			t.Errorf("ALPN(%q) = %v", token, cert)
		}
	})
}

func FuzzIdentifier(f *testing.F) {
	for _, s := range []string{"example.com", "*.example.com", "::1", "::ffff:192.0.2.1", "1.2.3.4", "xn--bcher-kva.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := identifier(s)
		if err != nil {
			return
		}
		if again, err := identifier(id.Value); err != nil || again != id {
			t.Errorf("identifier(%q) = %v, and of that %v, %v", s, id, again, err)
		}
		if id.Type == "ip" && !hostName(alpnName(id.Value)) {
			t.Errorf("the reverse name of %q is %q", s, alpnName(id.Value))
		}
	})
}
