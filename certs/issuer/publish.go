package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// publish tells all nodes.
func (a *Answers) publish(ctx context.Context, key string, ans answer) {
	a.mu.Lock()
	a.own[key] = ans
	delete(a.found, key)
	a.mu.Unlock()
	value, err := json.Marshal(ans)
	if err == nil {
		err = a.store.Put(ctx, key, value, answerLife)
	}
	if err != nil {
		// It may well be this node that the validators come to.
		a.log.Warn("the answer to a challenge is known to this node alone", "name", ans.Name, "err", err)
	}
}

// withdraw takes back what was published, unless another has published since.
func (a *Answers) withdraw(ctx context.Context, key string, ans answer) error {
	a.mu.Lock()
	if own, ok := a.own[key]; ok && own.KeyAuth == ans.KeyAuth {
		delete(a.own, key)
	}
	a.mu.Unlock()
	value, err := a.store.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var there answer
	if json.Unmarshal(value, &there) == nil && there.KeyAuth != ans.KeyAuth {
		return nil
	}
	return a.store.Delete(ctx, key)
}

// publisher is the solver for one kind of challenge.
type publisher struct {
	answers *Answers
	kind    string
}

var _ acmez.Solver = publisher{}

// Present implements [acmez.Solver].
func (p publisher) Present(ctx context.Context, c acme.Challenge) error {
	p.answers.publish(ctx, p.key(c), answer{Name: c.Identifier.Value, KeyAuth: c.KeyAuthorization})
	return nil
}

// CleanUp implements [acmez.Solver].
func (p publisher) CleanUp(ctx context.Context, c acme.Challenge) error {
	return p.answers.withdraw(ctx, p.key(c), answer{KeyAuth: c.KeyAuthorization})
}

func (p publisher) key(c acme.Challenge) string {
	if p.kind == TLSALPN01 {
		return alpnKey(alpnName(c.Identifier.Value))
	}
	return httpKey(c.Token)
}

func httpKey(token string) string { return ChallengePrefix + "http/" + token }
func alpnKey(name string) string  { return ChallengePrefix + "alpn/" + name }

// alpnName is the server name by which a validator asks for a name or an address.
func alpnName(s string) string {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	bytes := addr.Unmap().AsSlice()
	for _, v := range slices.Backward(bytes) {
		if len(bytes) == 4 {
			fmt.Fprintf(&b, "%d.", v)
		} else {
			b.Write([]byte{hex[v&15], '.', hex[v>>4], '.'})
		}
	}
	if len(bytes) == 4 {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}

// validToken tells whether s can be a token: base64url of 128 bits or more (RFC 8555 §8).
func validToken(s string) bool {
	return len(s) >= 20 && len(s) <= 200 &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// sameHost tells whether a Host field is name's.
func sameHost(host, name string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		got, err := netip.ParseAddr(host)
		return err == nil && got.Unmap() == addr
	}
	return strings.EqualFold(host, name)
}
