package rotate

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// HTTPSRecord is a DNS record of type HTTPS (RFC 9460, the ech parameter RFC 9848), by
// which clients learn how to reach a name.
type HTTPSRecord struct {
	Name     string        // that owns it, with a dot at the end; of a port of its own, "_8443._https.example.com."
	TTL      time.Duration // whole seconds
	Priority uint16
	Target   string   // "." is the name itself
	ALPN     []string // protocols, the best one first
	ECH      []byte   // an ECHConfigList; none: nil
}

func newHTTPSRecord(name string, alpn []string, port uint16, list []byte) HTTPSRecord {
	owner := strings.TrimSuffix(name, ".") + "."
	if port != 0 && port != 443 {
		owner = fmt.Sprintf("_%d._https.%s", port, owner) // RFC 9460 §9.1
	}
	return HTTPSRecord{Name: owner, TTL: 5 * time.Minute, Priority: 1, Target: ".", ALPN: alpn, ECH: list}
}

// String returns the record as zone files have it.
func (r HTTPSRecord) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d IN HTTPS %d %s", r.Name, int64(r.TTL/time.Second), r.Priority, r.Target)
	if len(r.ALPN) > 0 {
		fmt.Fprintf(&b, " alpn=%s", alpnList(r.ALPN))
	}
	if len(r.ECH) > 0 {
		fmt.Fprintf(&b, " ech=%s", base64.StdEncoding.EncodeToString(r.ECH))
	}
	return b.String()
}

// alpnList writes protocols as a value of zone files, in which commas, backslashes and
// what is no plain text are escaped once for the list and once for the string (RFC 9460,
// appendix A).
func alpnList(all []string) string {
	plain := true
	var items []string
	for _, p := range all {
		var b strings.Builder
		for i := range len(p) {
			switch c := p[i]; {
			case c == ',':
				b.WriteString(`\\,`)
			case c == '\\':
				b.WriteString(`\\\\`)
			case c <= ' ' || c >= 0x7f || strings.IndexByte(`";()`, c) >= 0:
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
				continue
			}
			plain = false
		}
		items = append(items, b.String())
	}
	list := strings.Join(items, ",")
	if plain {
		return list
	}
	return `"` + list + `"`
}
