package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mholt/acmez/v3/acme"
)

// Error is what an authority objected to, for people.
type Error struct {
	CA        string    // the authority's name
	Name      string    // what the certificate was to be for
	Challenge string    // "http-01"; "" if it did not come to that
	Type      string    // of the problem, as RFC 8555 §6.7 calls it: "rateLimited"; "" if there was none
	Status    int       // of HTTP; 0: no answer
	Detail    string    // what the authority saw, in its words
	RetryAt   time.Time // not to be asked before; zero: it did not say
	All       bool      // RetryAt holds for whatever the account asks, and not for Name alone
	Hint      string    // what to do, or ""
	Err       error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Name != "" {
		b.WriteString(e.Name + ": ")
	}
	b.WriteString(e.CA)
	if e.Challenge != "" {
		b.WriteString(", " + e.Challenge)
	}
	if e.Type != "" {
		b.WriteString(", " + e.Type)
	}
	switch {
	case e.Detail != "":
		b.WriteString(": " + e.Detail)
	case e.Err != nil:
		b.WriteString(": " + brief(e.Err.Error()))
	}
	if !e.RetryAt.IsZero() {
		b.WriteString("; not to be asked again before " + e.RetryAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// explain makes an Error of what went wrong with the authority. name is what was asked
// for. What went wrong with the store stays what it is.
func (i *Issuer) explain(err error, refused *refusal, name string) error {
	name = brief(name)
	if _, ok := errors.AsType[*storeError](err); ok {
		return fmt.Errorf("%s: %s: %w", i.o.Name, name, err)
	}
	e := &Error{CA: i.o.Name, Name: name, Err: err}
	e.Status, e.RetryAt = refused.last()
	cause := err
	list := challengeErrors(err)
	if len(list) > 0 {
		e.Name, e.Challenge, cause = list[0].name, list[0].kind, list[0].err
		e.Status, e.RetryAt = 0, time.Time{} // of another request
	}
	e.describe(cause)
	e.Hint = hint(e, cause)
	for _, other := range list[min(1, len(list)):min(4, len(list))] {
		o := &Error{Name: other.name}
		o.describe(other.err)
		if other.name != e.Name {
			other.kind = other.name + ", " + other.kind
		}
		e.Detail += "; " + other.kind + ": " + o.Detail
	}
	return e
}

// describe says what the authority saw.
func (e *Error) describe(cause error) {
	p, ok := problem(cause)
	if !ok {
		e.Detail = brief(cause.Error())
		e.All = !e.RetryAt.IsZero() && e.Status == http.StatusServiceUnavailable
		return
	}
	e.Type = brief(strings.TrimPrefix(p.Type, acme.ProblemTypeNamespace))
	e.Detail, e.Name = detail(p, e.Name)
	if p.Status != 0 {
		e.Status = p.Status
	}
	if e.RetryAt.IsZero() && e.Type == "rateLimited" {
		e.RetryAt = retryIn(p.Detail, time.Now())
	}
	e.All = !e.RetryAt.IsZero() && (e.Status == http.StatusServiceUnavailable || e.Type == "rateLimited" && ofAccount.MatchString(p.Detail))
	if e.Detail == "" {
		e.Detail = "it does not say why"
	}
}

// ofAccount finds limits that are not a name's, as Let's Encrypt words them.
var ofAccount = regexp.MustCompile(`(?i)new orders|this account|this IP address|service busy`)

// storeError says that it was the store that failed.
type storeError struct{ err error }

func (e *storeError) Error() string { return "account in the store: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// challengeError is a challenge that failed.
type challengeError struct {
	kind, name string
	offered    []string // kinds that the authority would take
	err        error
}

func (e *challengeError) Error() string { return e.name + ": " + e.kind + ": " + e.err.Error() }
func (e *challengeError) Unwrap() error { return e.err }

// challengeErrors are all that err is made of.
func challengeErrors(err error) (list []*challengeError) {
	switch e := err.(type) {
	case nil:
	case *challengeError:
		return []*challengeError{e}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			list = append(list, challengeErrors(err)...)
		}
	case interface{ Unwrap() error }:
		return challengeErrors(e.Unwrap())
	}
	return list
}

// noChallengeError says that there is nothing in common, or left.
type noChallengeError struct {
	name    string
	offered []string
	solvers []solver
}

func (e *noChallengeError) Error() string {
	var ours []string
	for _, s := range e.solvers {
		ours = append(ours, s.kind)
	}
	return fmt.Sprintf("no challenge is left for %s: the authority offers %s, set up are %s", e.name, brief(strings.Join(e.offered, ", ")), strings.Join(ours, ", "))
}

// profileError says that a profile is not offered.
type profileError struct {
	name    string
	offered map[string]string
}

func (e *profileError) Error() string {
	if len(e.offered) == 0 {
		return fmt.Sprintf("there is no profile %q: the authority has none", e.name)
	}
	var names []string
	for name := range e.offered {
		names = append(names, name)
	}
	slices.Sort(names)
	return fmt.Sprintf("there is no profile %q: the authority has %s", e.name, brief(strings.Join(names, ", ")))
}

// clockError says that the authority's time is not ours.
type clockError struct{ what string }

func (e *clockError) Error() string { return e.what }

// problem finds the problem document in an error. The client below returns them by value
// and by pointer.
func problem(err error) (acme.Problem, bool) {
	if p, ok := errors.AsType[acme.Problem](err); ok {
		return p, true
	}
	if p, ok := errors.AsType[*acme.Problem](err); ok && p != nil {
		return *p, true
	}
	return acme.Problem{}, false
}

// detail puts a problem into words. One of several names may be the one it is about.
func detail(p acme.Problem, name string) (string, string) {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	var subs []string
	for _, s := range p.Subproblems {
		subs = append(subs, s.Identifier.Value+": "+s.Detail)
	}
	if len(subs) == 1 && hostOrAddr(p.Subproblems[0].Identifier.Value) {
		name = p.Subproblems[0].Identifier.Value
	}
	if len(subs) > 0 {
		text += " [" + strings.Join(subs, "; ") + "]"
	}
	return brief(text), name
}

func hostOrAddr(s string) bool {
	_, err := identifier(s)
	return err == nil
}

var retryAfterText = regexp.MustCompile(`retry after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?: UTC|Z)`)

// retryIn reads the time that Let's Encrypt writes into the text of a refusal.
func retryIn(text string, now time.Time) time.Time {
	m := retryAfterText.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}
	}
	at, err := time.Parse("2006-01-02 15:04:05", m[1]+" "+m[2])
	if err != nil || at.Before(now) {
		return time.Time{}
	}
	if at.Sub(now) > maxWait {
		return now.Add(maxWait)
	}
	return at
}

// brief makes of what somebody else wrote one line of bounded length without anything
// that would move a terminal's cursor.
func brief(s string) string {
	const most = 600
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf)
	}), " ")
}

// untrusted tells whether err says that a server's certificate is not vouched for.
func untrusted(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	return unknown || host
}

// outOfTime tells whether err says that a server's certificate is not valid now.
func outOfTime(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

func late(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
