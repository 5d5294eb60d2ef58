package proxy

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// fate is what becomes of a request's field on its way to the upstream.
type fate uint8

const (
	passes       fate = iota
	dropped           // belongs to one connection, frames the message, or is another spelling of what has a rule
	believed          // passes from trusted proxies only
	teField           // the others have code of their own in draft.go
	expectField       //
	cookieField       //
	viaField          //
	earlyField        //
	hopsField         //
	chainField        //
	elementField      //
	protoField        //
	hostField         //
	portField         //
	prefixField       //
	idField           //
	keyField          //
)

// ruled are the fields that no setting can change the fate of.
var ruled = []rule{
	// RFC 9110 §7.6.1, and what says how long a message is: the protocols send their own.
	{name: "connection", fate: dropped}, {name: "keep-alive", fate: dropped}, {name: "proxy-connection", fate: dropped},
	{name: "transfer-encoding", fate: dropped}, {name: "content-length", fate: dropped}, {name: "host", fate: dropped},
	{name: "upgrade", fate: dropped}, {name: "http2-settings", fate: dropped},
	// What a proxy and its client have between them (RFC 9110 §11.7).
	{name: "proxy-authenticate", fate: dropped}, {name: "proxy-authorization", fate: dropped}, {name: "proxy-authentication-info", fate: dropped},
	// CGI would make HTTP_PROXY of it ("httpoxy", CVE-2016-5385).
	{name: "proxy", fate: dropped},
	{name: "x-real-ip", fate: dropped},

	{name: "te", fate: teField}, {name: "expect", fate: expectField}, {name: "cookie", fate: cookieField},
	{name: "via", fate: viaField}, {name: "max-forwards", fate: hopsField},
	{name: "x-forwarded-for", fate: chainField}, {name: "forwarded", fate: elementField},
	{name: "x-forwarded-proto", fate: protoField}, {name: "x-forwarded-host", fate: hostField},
	{name: "x-forwarded-port", fate: portField}, {name: "x-forwarded-prefix", fate: prefixField},
	{name: "x-request-id", fate: idField}, {name: "sec-websocket-key", fate: keyField},
	{name: "early-data", fate: earlyField},
}

// DefaultIdentity returns the fields by which upstreams are commonly told who asks,
// or what was asked, by the proxy in front of them.
func DefaultIdentity() []string {
	return []string{
		"remote-*", "x-remote-*", "x-auth-request-*", "x-authenticated-*", "x-webauth-*", "x-auth-user",
		"x-authentik-*", "x-consumer-*", "x-credential-identifier", "x-goog-authenticated-user-*", "x-goog-iap-*",
		"x-amzn-oidc-*", "x-ms-client-principal*", "tailscale-user-*", "cf-access-*",
		"ssl-client-*", "x-ssl-*", "x-client-cert*", "x-client-dn", "x-client-verify",
		"cf-connecting-ip", "cf-connecting-ipv6", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "fastly-client-ip",
		"client-ip", "forwarded-for", "x-forwarded", "proxy-client-ip", "wl-proxy-*", "x-originating-ip", "x-appengine-*",
		"x-host", "x-http-host-override", "x-scheme", "x-url-scheme", "front-end-https",
		"x-envoy-*", "x-original-forwarded-for", "x-original-host", "x-original-method", "x-original-uri", "x-original-url", "x-rewrite-url",
	}
}

type rule struct {
	name string
	fate fate
	next uint8 // the number of another rule of that slot, or 0
}

// names says what becomes of fields. Looking one up costs a few comparisons, however
// many have rules.
type names struct {
	slots    [128]uint8 // number of the first rule, or 0
	rules    []rule     // rule n is at n-1
	prefixes []string   // believed, whatever follows
	letters  uint32     // which letters prefixes begin with
}

// common holds for all who do not name identity fields of their own; a machine may
// have thousands of routes.
var common = newNames(DefaultIdentity())

// checkIdentity tells whether names can be made of identity.
func checkIdentity(identity []string) error {
	for _, name := range identity {
		if !exchange.ValidName(strings.TrimSuffix(name, "*")) {
			return fmt.Errorf("identity field %q: not a field name", name)
		}
	}
	if most := 200; len(identity) > most {
		return fmt.Errorf("identity fields: got %d, %d are the most", len(identity), most)
	}
	return nil
}

func newNames(identity []string) *names {
	n := &names{}
	for _, r := range ruled {
		n.add(r)
	}
	n.addPrefix("x-forwarded-")
	for _, name := range identity {
		plain, isPrefix := strings.CutSuffix(folded(name), "*")
		if isPrefix {
			n.addPrefix(plain)
		} else if n.fate(plain) == passes {
			n.add(rule{name: plain, fate: believed})
		}
	}
	return n
}

func (n *names) add(r rule) {
	s := slot(r.name)
	r.next = n.slots[s]
	n.rules = append(n.rules, r)
	n.slots[s] = uint8(len(n.rules))
}

func (n *names) addPrefix(prefix string) {
	n.prefixes = append(n.prefixes, prefix)
	n.letters |= 1 << (prefix[0] & 31)
}

// fate returns what becomes of a field. A name that is not written as its rule has it
// is dropped: CGI and its heirs take "x_forwarded_for", and some even "x.forwarded.for",
// for X-Forwarded-For (security P9).
func (n *names) fate(name string) fate {
	for i := n.slots[slot(name)]; i != 0; {
		r := &n.rules[i-1]
		if like(name, r.name) {
			if name != r.name {
				return dropped
			}
			return r.fate
		}
		i = r.next
	}
	if n.letters&(1<<(name[0]&31)) == 0 {
		return passes
	}
	for _, prefix := range n.prefixes {
		if len(name) >= len(prefix) && like(name[:len(prefix)], prefix) {
			if name[:len(prefix)] != prefix {
				return dropped
			}
			return believed
		}
	}
	return passes
}

func slot(name string) uint8 {
	return uint8(len(name)+5*int(fold[name[0]])+11*int(fold[name[len(name)-1]])) & 127
}

// fold maps the bytes of a field name to what sloppy readers take them for.
var fold = func() (t [256]byte) {
	for c := range 256 {
		switch b := byte(c); {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9':
			t[c] = b
		case 'A' <= b && b <= 'Z':
			t[c] = b + 'a' - 'A'
		default:
			t[c] = '-'
		}
	}
	return t
}()

// folded returns name, which may end in "*", in the form that rules have.
func folded(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c != '*' || i < len(b)-1 {
			b[i] = fold[c]
		}
	}
	return string(b)
}

// like tells whether name, in some spelling, is plain.
func like(name, plain string) bool {
	if len(name) != len(plain) {
		return false
	}
	for i := range len(name) {
		if fold[name[i]] != plain[i] {
			return false
		}
	}
	return true
}
