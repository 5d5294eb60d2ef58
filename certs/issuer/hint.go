package issuer

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// hint says what to do about e, or "" where nothing sensible can be said.
func hint(e *Error, err error) string {
	if h, ok := hints[e.Type]; ok {
		return h(e)
	}
	_, noProfile := errors.AsType[*profileError](err)
	_, noChallenge := errors.AsType[*noChallengeError](err)
	_, clocks := errors.AsType[*clockError](err)
	_, noName := errors.AsType[*net.DNSError](err)
	switch {
	case e.Challenge != "" && errors.Is(err, errUndecided):
		return "see whether its validators get through to port " + door(e)
	case e.Challenge != "" && e.Type == "":
		return ""
	case noProfile:
		return hintProfile(e)
	case noChallenge:
		return hintChallenge(e)
	case clocks, outOfTime(err):
		return "compare this machine's clock with the authority's (weir doctor does)"
	case untrusted(err):
		return "the certificate of the authority's own API is not trusted here: for a private authority name its root under acme: roots:"
	case noName:
		return "the authority's own name cannot be resolved from here: check its URL, and this machine's DNS"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the authority cannot be reached from here: check its URL, the network, and whether a proxy is needed (HTTPS_PROXY)"
	case late(err):
		return "the authority did not answer in time: it may be busy, or a firewall may drop what goes out to it"
	}
	return ""
}

// hints by the type of a problem.
var hints = map[string]func(*Error) string{
	"connection":              hintConnection,
	"tls":                     hintTLS,
	"dns":                     hintDNS,
	"unauthorized":            hintUnauthorized,
	"incorrectResponse":       hintUnauthorized,
	"caa":                     hintCAA,
	"rateLimited":             hintRate,
	"rejectedIdentifier":      hintRejected,
	"unsupportedIdentifier":   hintRejected,
	"externalAccountRequired": hintAccount,
	"badCSR":                  hintCSR,
	"userActionRequired":      hintAction,
	"invalidProfile":          hintProfile,
	"invalidContact":          hintContact,
	"unsupportedContact":      hintContact,
	"malformed":               hintMalformed,
	"serverInternal":          hintServer,
	"badNonce":                hintServer,
	"accountDoesNotExist":     func(*Error) string { return "the account is gone, and could not be made anew" },
}

// door is the port that validators come to.
func door(e *Error) string {
	if e.Challenge == TLSALPN01 {
		return "443"
	}
	return "80"
}

func hintConnection(e *Error) string {
	if said := strings.ToLower(e.Detail); strings.Contains(said, "resolv") || strings.Contains(said, "nxdomain") {
		return hintDNS(e)
	}
	return "port " + door(e) + " of " + e.Name + " must be open to the whole Internet and lead to weir: check firewall, NAT and port forwarding, " +
		"and that both the A and the AAAA records of the name are this machine's" + instead(e)
}

func hintTLS(e *Error) string {
	return "something that ends TLS before weir may be in the way on port 443 of " + e.Name + instead(e)
}

func hintDNS(e *Error) string {
	switch said := strings.ToLower(e.Detail); {
	case e.Challenge == DNS01 && strings.Contains(said, "nxdomain"), e.Challenge == DNS01 && strings.Contains(said, "no txt"):
		return "the record _acme-challenge." + strings.TrimPrefix(e.Name, "*.") + " was not seen: it may need longer to spread (propagation), or the provider serves another zone than the one delegated"
	case strings.Contains(said, "nxdomain"):
		return "the name does not exist in public DNS: make an A or AAAA record of " + e.Name + " for this machine"
	case strings.Contains(said, "servfail"):
		return "the name servers of " + e.Name + " fail: look at DNSSEC and at whether all of them answer"
	case strings.Contains(said, "no valid ip"), strings.Contains(said, "no valid a"):
		return "the name has no public address: make an A or AAAA record of " + e.Name + " for this machine"
	}
	return "the authority cannot resolve " + e.Name + ": check its records and name servers"
}

func hintUnauthorized(e *Error) string {
	said := strings.ToLower(e.Detail)
	switch {
	case e.Challenge == "" && strings.Contains(said, "external account"):
		return "the key or its ID of the account with the authority is not right: correct acme: eab:"
	case e.Challenge == "":
		return "the authority refuses the account: it may have been deactivated"
	case e.Challenge == DNS01:
		return "the record _acme-challenge." + strings.TrimPrefix(e.Name, "*.") + " was not the right one when the authority looked: it may need longer to spread (propagation), or a CNAME leads elsewhere"
	case e.Challenge == TLSALPN01 && strings.Contains(said, "connect"):
		return hintConnection(e)
	case strings.Contains(said, "cannot negotiate alpn"), strings.Contains(said, "incorrect validation certificate"):
		return hintTLS(e)
	}
	return "another server answers for " + e.Name + " on port " + door(e) + ": check that its records are this machine's, and that no proxy or CDN stands before it" + instead(e)
}

// instead names the way that needs no open port.
func instead(e *Error) string {
	if e.Challenge == "" || e.Challenge == DNS01 || net.ParseIP(e.Name) != nil {
		return ""
	}
	return "; or use dns-01, which needs no open port"
}

func hintCAA(e *Error) string {
	return "CAA records of " + strings.TrimPrefix(e.Name, "*.") + ", or of a domain above, do not allow this authority: add it there, or use another one"
}

func hintRate(*Error) string {
	return "too much was asked of the authority lately: weir waits; names under one wildcard need one certificate"
}

func hintRejected(e *Error) string {
	return "the authority does not certify " + e.Name + ": private names and addresses get theirs from weir itself (tls: internal)"
}

func hintAccount(*Error) string {
	return "this authority wants an account of yours with it named: acme: {eab: {key_id:, hmac:}}"
}

func hintCSR(*Error) string {
	return "the authority does not like the key or the names: see what it says"
}

func hintAction(*Error) string {
	return "the owner of the account has to do something first, often to agree to new terms: see what the authority says"
}

func hintProfile(*Error) string { return "correct acme: profile:, or leave it out" }

func hintContact(*Error) string { return "the e-mail address is not accepted: correct acme: email:" }

func hintChallenge(e *Error) string {
	if strings.Contains(e.Detail, "*.") {
		return "wildcards need dns-01: set up a DNS provider"
	}
	return "set up another kind of challenge"
}

func hintMalformed(e *Error) string {
	if e.Challenge != "" && strings.Contains(strings.ToLower(e.Detail), "resolv") {
		return hintDNS(e)
	}
	return ""
}

func hintServer(*Error) string { return "the authority has trouble of its own; weir tries again" }
