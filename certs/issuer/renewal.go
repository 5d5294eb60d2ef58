package issuer

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Renewal is when an authority wants a certificate replaced (RFC 9773).
type Renewal struct {
	Start, End  time.Time // the window
	Selected    time.Time // a moment in it, by chance
	CheckAgain  time.Time // when to ask again
	Explanation string    // URL of a page that says why, or ""
	Supported   bool      // false: the authority does not say, and the rest is zero
}

// How often renewal information is asked for, where the authority asks for other: more
// seldom than every six hours would miss a revocation.
const (
	usualCheck = 6 * time.Hour
	leastCheck = time.Second
	mostCheck  = 24 * time.Hour
)

// RenewalInfo asks when a certificate should be replaced. A window that has passed means
// now: that is how authorities announce a revocation.
func (i *Issuer) RenewalInfo(ctx context.Context, leaf *x509.Certificate) (Renewal, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ctx, refused := withRefusal(ctx)
	r, err := i.renewalInfo(ctx, leaf)
	if err != nil {
		return Renewal{}, i.explain(fmt.Errorf("ask for renewal information: %w", err), refused, strings.Join(leaf.DNSNames, ", "))
	}
	return r, nil
}

func (i *Issuer) renewalInfo(ctx context.Context, leaf *x509.Certificate) (Renewal, error) {
	to, err := i.reach(ctx)
	if err != nil || to.dir.RenewalInfo == "" {
		return Renewal{}, err
	}
	if len(leaf.AuthorityKeyId) == 0 {
		return Renewal{}, errors.New("the certificate does not name its issuer's key")
	}
	id, err := acme.ARIUniqueIdentifier(leaf)
	if err != nil {
		return Renewal{}, err
	}
	doc, header, err := i.get(ctx, strings.TrimRight(to.dir.RenewalInfo, "/")+"/"+id)
	if err != nil {
		return Renewal{}, err
	}
	now := time.Now()
	r, err := parseRenewal(doc)
	if err != nil {
		return Renewal{}, err
	}
	again, ok := retryAfter(header.Get("Retry-After"), now)
	if !ok {
		again = usualCheck
	}
	r.CheckAgain = now.Add(min(max(again, leastCheck), mostCheck))
	return r, nil
}

func parseRenewal(doc []byte) (Renewal, error) {
	var answer struct {
		SuggestedWindow struct{ Start, End time.Time }
		ExplanationURL  string
	}
	if err := json.Unmarshal(doc, &answer); err != nil {
		return Renewal{}, fmt.Errorf("the answer makes no sense: %w", err)
	}
	start, end := answer.SuggestedWindow.Start, answer.SuggestedWindow.End
	// RFC 9773 §4.2: a window that ends where it begins, or before, is malformed. One of
	// a second, as for a revoked certificate, is not.
	if start.IsZero() || !end.After(start) {
		return Renewal{}, fmt.Errorf("the answer makes no sense: a window from %s to %s", start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	length := end.Sub(start) // bounded by what a Duration holds
	r := Renewal{Start: start.UTC(), End: end.UTC(), Selected: start.Add(rand.N(length)).UTC(), Supported: true}
	if u, err := url.Parse(answer.ExplanationURL); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		r.Explanation = brief(u.Redacted())
	}
	return r, nil
}

// Revoke takes a certificate back. key is the certificate's; nil: the account that
// ordered it asks. reason is a number of RFC 5280 §5.3.1: 0 unspecified, 1 the key was
// compromised, 4 superseded, 5 no longer used. One that is revoked already is no error.
func (i *Issuer) Revoke(ctx context.Context, leaf *x509.Certificate, key crypto.Signer, reason int) error {
	ctx, cancel := context.WithTimeout(ctx, i.o.Timeout)
	defer cancel()
	ctx, refused := withRefusal(ctx)
	err := i.revoke(ctx, leaf, key, reason)
	if p, ok := problem(err); ok && p.Type == acme.ProblemTypeAlreadyRevoked {
		return nil
	}
	if err != nil {
		return i.explain(fmt.Errorf("revoke certificate: %w", err), refused, strings.Join(leaf.DNSNames, ", "))
	}
	return nil
}

func (i *Issuer) revoke(ctx context.Context, leaf *x509.Certificate, key crypto.Signer, reason int) error {
	to, err := i.reach(ctx)
	if err != nil {
		return err
	}
	var account acme.Account
	if key == nil {
		if account, err = i.enroll(ctx, to); err != nil {
			return err
		}
	}
	return to.RevokeCertificate(ctx, account, leaf, key, reason)
}
