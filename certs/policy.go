package certs

import (
	"context"
	"crypto"
	"crypto/x509"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/certs/issuer"
)

// Issuer is an authority that a [Manager] has certificates of; *[issuer.Issuer] is one.
// Its methods are called by many goroutines at once.
type Issuer interface {
	// ID names the authority, over restarts and on all nodes.
	ID() string
	// Obtain orders a certificate and returns when it is there, or says why not, in an
	// *[issuer.Error] where the authority did.
	Obtain(context.Context, issuer.Order) (*issuer.Issued, error)
	// RenewalInfo asks when a certificate should be replaced (RFC 9773).
	RenewalInfo(context.Context, *x509.Certificate) (issuer.Renewal, error)
	// Revoke takes back a certificate. key is the certificate's.
	Revoke(ctx context.Context, leaf *x509.Certificate, key crypto.Signer, reason int) error
	// Skew is how far the authority's clock is ahead of ours, as of its last answer.
	Skew() (ahead time.Duration, at time.Time, known bool)
}

// called is what people call an issuer: its ID, unless it has a Name.
func called(i Issuer) string {
	if n, ok := i.(interface{ Name() string }); ok {
		return n.Name()
	}
	return i.ID()
}

// Policy says where certificates come from. It is not changed once it has been applied.
type Policy struct {
	Issuers []Issuer // in order of preference; at least one
	Profile string   // of the ACME server; "": its own choice
}

func (p *Policy) has(id string) bool {
	for _, i := range p.Issuers {
		if i.ID() == id {
			return true
		}
	}
	return false
}

// Plan is what a [Manager] is to have certificates for.
type Plan struct {
	// Names have a certificate always: host names, wildcards, addresses, in lower case.
	Names map[string]*Policy
	// Demand returns the policy for a name that gets a certificate when the first
	// client asks for it; nil for names that get none. It may be nil. It is called by
	// many goroutines at once.
	Demand func(name string) *Policy
	// Guard decides about such names. Where it is nil, none gets a certificate.
	Guard *demand.Guard
	// OwnAlways has names get certificates of their own even where a wildcard of Names
	// covers them.
	OwnAlways bool
}

func (p *Plan) demand(name string) *Policy {
	if p.Demand == nil {
		return nil
	}
	return p.Demand(name)
}

// wildcardOf is the wildcard that covers name, or "": an address, a wildcard, or a name
// of one label has none.
func wildcardOf(name string) string {
	first, rest, ok := strings.Cut(name, ".")
	if !ok || first == "*" || !strings.Contains(rest, ".") || isAddress(name) {
		return ""
	}
	return "*." + rest
}
