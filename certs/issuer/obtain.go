package issuer

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Order is a certificate that is wanted.
type Order struct {
	// Names are host names in ASCII and lower case, wildcards "*.example.com", and IP
	// addresses: at least one, at most 100, none twice.
	Names    []string
	Key      crypto.Signer     // whose public half is certified
	Replaces *x509.Certificate // of the same authority; nil: none (RFC 9773 §5)
	Profile  string            // "" means that of the Options
}

// Issued is a certificate with what vouches for it.
type Issued struct {
	Chain []byte // PEM, the certificate first
	URL   string // where the authority keeps it
}

// Obtain orders a certificate and returns when it is there. Where the authority is what
// failed, the error is an [*Error]. The chain has been found to be for the key and the
// names of the order, and for now.
func (i *Issuer) Obtain(ctx context.Context, o Order) (*Issued, error) {
	w, err := newWanted(o)
	if err != nil {
		return nil, fmt.Errorf("order certificate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, i.o.Timeout)
	defer cancel()
	ctx, refused := withRefusal(ctx)
	issued, err := i.obtain(ctx, w)
	if err != nil {
		return nil, i.explain(err, refused, w.names())
	}
	return issued, nil
}

func (i *Issuer) obtain(ctx context.Context, w *wanted) (*Issued, error) {
	to, err := i.reach(ctx)
	if err != nil {
		return nil, err
	}
	profile, err := i.profile(to, w)
	if err != nil {
		return nil, err
	}
	order := acme.Order{Identifiers: w.ids, Profile: profile}
	if w.Replaces != nil {
		if order.Replaces, err = acme.ARIUniqueIdentifier(w.Replaces); err != nil {
			i.log.Debug("a certificate has no identifier, and is not named as replaced", "err", err)
		}
	}
	account, order, err := i.authorized(ctx, to, order)
	if err != nil {
		return nil, err
	}
	if order, err = to.FinalizeOrder(ctx, account, order, w.csr); err != nil {
		return nil, fmt.Errorf("finalize order: %w", err)
	}
	if order.Certificate == "" {
		return nil, errors.New("fetch certificate: the authority does not say where it is")
	}
	chains, err := to.GetCertificateChain(ctx, account, order.Certificate)
	if err != nil {
		return nil, fmt.Errorf("fetch certificate: %w", err)
	}
	if len(chains) == 0 {
		return nil, errors.New("fetch certificate: the authority gave none")
	}
	chain, err := checkChain(chains[0].ChainPEM, w, time.Now())
	if err != nil {
		return nil, fmt.Errorf("check certificate: %w", err)
	}
	return &Issued{Chain: chain, URL: order.Certificate}, nil
}

// profile chooses the profile of an order. Let's Encrypt certifies addresses only under
// its profile shortlived.
func (i *Issuer) profile(to *api, w *wanted) (string, error) {
	var offered map[string]string
	if to.dir.Meta != nil {
		offered = to.dir.Meta.Profiles
	}
	name := w.Profile
	if name != "" && len(offered) == 0 && i.o.Profile == "" {
		// A site's profile is meant for the authority that has it. Another one that
		// stands in is not to fail for it.
		i.log.Debug("the authority has no profiles", "ca", i.o.Name, "profile", name)
		return "", nil
	}
	if name == "" {
		name = i.o.Profile
	}
	if _, ok := offered["shortlived"]; ok && name == "" && w.hasIP() {
		return "shortlived", nil
	}
	if _, ok := offered[name]; name != "" && !ok {
		return "", &profileError{name, offered}
	}
	return name, nil
}

// wanted is an order that was found to make sense.
type wanted struct {
	Order
	ids []acme.Identifier
	csr []byte
}

const maxNames = 100

func newWanted(o Order) (*wanted, error) {
	switch {
	case o.Key == nil:
		return nil, errors.New("there is no key")
	case len(o.Names) == 0 || len(o.Names) > maxNames:
		return nil, fmt.Errorf("%d names are not 1 to %d", len(o.Names), maxNames)
	}
	w := &wanted{Order: o}
	request := &x509.CertificateRequest{}
	seen := map[acme.Identifier]bool{}
	for _, name := range o.Names {
		id, err := identifier(name)
		if err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, fmt.Errorf("name %q occurs twice", name)
		}
		seen[id] = true
		w.ids = append(w.ids, id)
		if id.Type == "ip" {
			request.IPAddresses = append(request.IPAddresses, net.ParseIP(id.Value))
		} else {
			request.DNSNames = append(request.DNSNames, id.Value)
		}
	}
	var err error
	if w.csr, err = x509.CreateCertificateRequest(rand.Reader, request, o.Key); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return w, nil
}

func (w *wanted) names() string { return strings.Join(w.Names, ", ") }

func (w *wanted) hasIP() bool {
	for _, id := range w.ids {
		if id.Type == "ip" {
			return true
		}
	}
	return false
}

// identifier makes of a name what ACME calls it (RFC 8555 §9.7.7, RFC 8738).
func identifier(name string) (acme.Identifier, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Zone() != "" {
			return acme.Identifier{}, fmt.Errorf("address %q has a zone", name)
		}
		return acme.Identifier{Type: "ip", Value: addr.Unmap().String()}, nil
	}
	if !hostName(strings.TrimPrefix(name, "*.")) {
		return acme.Identifier{}, fmt.Errorf("%q is neither a host name nor an address", brief(name))
	}
	return acme.Identifier{Type: "dns", Value: name}, nil
}

// hostName tells whether s is one, in ASCII and lower case, without a dot at its end.
func hostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
