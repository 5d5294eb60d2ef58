package dns01

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Record types that providers are asked for.
const (
	typeTXT   = "TXT"
	typeHTTPS = "HTTPS"
)

// checkText refuses what APIs would disagree about. What ACME wants written is 43 bytes
// of base64url.
func checkText(text string) error {
	if text == "" || len(text) > 255 {
		return errors.New("text: 1 to 255 bytes are possible")
	}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return errors.New("text: only printable ASCII is possible")
		}
	}
	return nil
}

// quote writes text as zone files have it: in quotes.
func quote(text string) string { return `"` + escape(text) + `"` }

// escape writes text as it is between quotes, and in a dns.TXT.
func escape(text string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) }

// textOf is what a TXT record says: its strings, which belong together.
func textOf(t *dns.TXT) string {
	var b strings.Builder
	for _, s := range t.Txt {
		b.WriteString(unquote(`"` + s + `"`))
	}
	return b.String()
}

// unquote reads what a zone file or an API may hold: one or several strings in quotes,
// which belong together (RFC 1035 section 5.1), with \" and \DDD in them. What has no
// quotes, or is not well-formed, is taken as it is.
func unquote(value string) string {
	rest := strings.TrimSpace(value)
	if !strings.HasPrefix(rest, `"`) {
		return value
	}
	var b strings.Builder
	for rest != "" {
		if rest[0] != '"' {
			return value
		}
		n := 1
		for ; n < len(rest) && rest[n] != '"'; n++ {
			if rest[n] != '\\' {
				b.WriteByte(rest[n])
				continue
			}
			c, size := unescape(rest[n+1:])
			if size == 0 {
				return value
			}
			b.WriteByte(c)
			n += size
		}
		if n >= len(rest) {
			return value
		}
		rest = strings.TrimLeft(rest[n+1:], " \t")
	}
	return b.String()
}

// unescape reads what follows a backslash and how long it is; 0 if it is nothing good.
func unescape(s string) (byte, int) {
	if s == "" {
		return 0, 0
	}
	if s[0] < '0' || s[0] > '9' {
		return s[0], 1
	}
	if len(s) < 3 {
		return 0, 0
	}
	n := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, 0
		}
		n = n*10 + int(c-'0')
	}
	if n > 255 {
		return 0, 0
	}
	return byte(n), 3
}

// canonical brings the data of an HTTPS record into one form, so that what we wrote is
// known again however an API spells it: "1 . alpn=\"h2,h3\"".
func canonical(data string) (string, error) {
	const most = 16 << 10 // far more than any record that resolvers pass on
	if len(data) > most || strings.ContainsAny(data, "\r\n;()") {
		return "", errors.New("read HTTPS record: too long, or no plain data")
	}
	rr, err := dns.NewRR(". 0 IN HTTPS " + data)
	if err != nil {
		return "", fmt.Errorf("read HTTPS record: %w", err)
	}
	https, ok := rr.(*dns.HTTPS)
	if !ok {
		return "", errors.New("read HTTPS record: it is none")
	}
	if len(https.Target) == 0 {
		return "", errors.New("read HTTPS record: no target")
	}
	return svcbData(&https.SVCB), nil
}

// svcbData writes the data of an HTTPS record as zone files have it, parameters in the
// order of their numbers.
func svcbData(s *dns.SVCB) string {
	https := dns.HTTPS{SVCB: *s}
	https.Value = slices.SortedStableFunc(slices.Values(s.Value), func(a, b dns.SVCBKeyValue) int {
		return cmp.Compare(a.Key(), b.Key())
	})
	https.Hdr = dns.RR_Header{Name: ".", Rrtype: dns.TypeHTTPS, Class: dns.ClassINET}
	return strings.TrimSpace(strings.TrimPrefix(https.String(), https.Hdr.String()))
}

// binding makes the libdns form of an HTTPS record's data.
func binding(name, data string) (libdns.ServiceBinding, error) {
	clean, err := canonical(data)
	if err != nil {
		return libdns.ServiceBinding{}, err
	}
	priority, rest, _ := strings.Cut(clean, " ")
	target, params, _ := strings.Cut(rest, " ")
	b := libdns.ServiceBinding{Scheme: "https", Name: name, Target: target}
	if _, err := fmt.Sscanf(priority, "%d", &b.Priority); err != nil {
		return libdns.ServiceBinding{}, fmt.Errorf("read HTTPS record: priority %q", priority)
	}
	if b.Params, err = libdns.ParseSvcParams(params); err != nil {
		return libdns.ServiceBinding{}, fmt.Errorf("read HTTPS record: %w", err)
	}
	return b, nil
}
