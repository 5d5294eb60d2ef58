package config

import "time"

// Issuer is a public authority that signs certificates by ACME (RFC 8555).
type Issuer struct {
	Pos Pos
	// CA is one of the names of [Issuer.Directory], or the URL of a directory.
	CA string
	// Email is where the authority can reach the owner; empty: nowhere.
	Email string
	// EAB ties the account to one that the authority knows already; nil: it does not.
	EAB *EAB
	// Roots has PEM files with whom to believe for the authority's API, in place of the
	// system's; empty: the system's.
	Roots []Text
	// Profile is what kind of certificate to ask for; empty: the authority's choice.
	Profile string
	// Challenges in order of preference: "http-01", "tls-alpn-01", "dns-01"; never empty.
	// dns-01 is there only if DNS is set.
	Challenges []string
	// DNS answers dns-01; nil: nothing does.
	DNS *DNS
}

// Directory is the URL of the authority's directory.
func (i *Issuer) Directory() string {
	if url, ok := authorities[i.CA]; ok {
		return url
	}
	return i.CA
}

// EAB is an external account binding (RFC 8555 §7.3.4).
type EAB struct {
	Pos   Pos
	KeyID string
	// HMAC is the key in base64url without padding. It is never printed.
	HMAC string
}

// DNS says how records are set, and when they count as seen.
type DNS struct {
	Pos Pos
	// Provider is a name in lower case, of which only the form has been checked.
	Provider Text
	// Settings are the provider's own, in the order of the file; no name occurs twice.
	Settings []Setting
	// Resolvers are asked in place of those of the system: "address:port".
	Resolvers []string
	// TTL of records; 0: the provider's choice.
	TTL time.Duration
	// PropagationDelay is waited before the record is looked for, PropagationTimeout
	// how long it is looked for; 0: it is not looked for.
	PropagationDelay, PropagationTimeout time.Duration
	// OverrideDomain is where the record is set, in place of _acme-challenge of the name,
	// which is a CNAME of it; in lower case, without a dot at the end. Empty: at the name.
	OverrideDomain string
}

// Setting is a name with a text, which may be a secret.
type Setting struct {
	Pos         Pos
	Name, Value string
}

// Certificates says how certificates are kept and renewed.
type Certificates struct {
	Pos Pos
	// Cache is how many are held in memory.
	Cache int
	// Check is how often weir looks for those to renew.
	Check time.Duration
	// Wildcards is "prefer": a name that a wildcard of the configuration covers has none
	// of its own; or "off".
	Wildcards string
	// ClockSkewAlarm is how far this clock may be from that of an authority.
	ClockSkewAlarm time.Duration
	// RenewAt is the part of its life that a certificate has left when it is renewed.
	RenewAt float64
	// Default names the host whose certificate clients get that name none; empty: none.
	// A site with TLS answers that host.
	Default Text
}

// OnDemand says which names get certificates when a client asks for them. If any site
// has the mode "on-demand", Ask or Allow is set.
type OnDemand struct {
	Pos Pos
	// Ask is the URL that is asked about names; empty: nobody is.
	Ask string
	// Allow has names that are not asked about, and patterns of names, in lower case: "*"
	// is any text without a dot, "**" as the first label one label or more.
	Allow []Text
	// AskTimeout bounds one question.
	AskTimeout time.Duration
	Remember   Remember
	// Wait is how long a handshake waits for a new certificate.
	Wait   time.Duration
	Limits DemandLimits
}

// Remember says how long answers hold.
type Remember struct {
	Pos Pos
	// Yes and No hold for answers of the kind, Stale for how much longer either holds
	// while there is no new answer; Stale may be 0.
	Yes, No, Stale time.Duration
}

// DemandLimits bound new certificates that clients ask for.
type DemandLimits struct {
	Pos Pos
	// InFlight is how many are ordered at a time.
	InFlight int
	// PerClient is for one address (IPv6: one /64), PerDomain for one registrable domain.
	PerClient, PerDomain, Total Rate
}

// Rate is so many in a time. Neither is zero.
type Rate struct {
	N   int
	Per time.Duration
}

// Tickets are the keys of TLS sessions.
type Tickets struct {
	Pos Pos
	// Rotate is how often there is a new one, Keep how many are accepted.
	Rotate time.Duration
	Keep   int
}

// ECH is Encrypted Client Hello (RFC 9849).
type ECH struct {
	Pos Pos
	// PublicName is what others see in place of the name that the client asks for. A site
	// with TLS answers it.
	PublicName Text
}
