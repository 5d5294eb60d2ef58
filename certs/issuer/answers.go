package issuer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/weirproxy/weir/certs/storage"
)

// ChallengePrefix is what the keys of all answers to challenges begin with.
const ChallengePrefix = "challenge/"

const (
	answerLife   = time.Hour       // of an answer in the store, should nobody take it back
	lookTime     = time.Second     // that a look into the store may take
	looksPerSec  = 50              // into the store, for what is not known here
	foundLife    = time.Minute     // of what another node published for a token, here
	foundALPN    = 2 * time.Second // for a name, which may have another answer at the next attempt
	missedLife   = 2 * time.Second // of the knowledge that there is nothing
	maxKnown     = 1024            // answers of either sort that are remembered
	alpnProtocol = acmez.ACMETLS1Protocol
)

// Answers is what validators are told. What any node publishes, all nodes tell. Its
// methods are safe for concurrent use.
//
// Whoever likes can ask for any token: what is not known here is looked for in the
// store 50 times a second at most, so that the store does not feel a flood.
type Answers struct {
	store storage.Store
	log   *slog.Logger

	mu        sync.Mutex
	own       map[string]answer   // by key: published here
	found     map[string]sighting // by key: what the store said
	announced map[string]bool     // keys of which Run has heard, and which cost no budget
	http      budget              // each of its own, so that who floods one
	alpn      budget              // does not drown the other
}

// budget is a number of looks into the store.
type budget struct {
	left   float64
	filled time.Time // when left was counted
}

// answer is what is said to who asks.
type answer struct {
	Name    string `json:"name"`    // whom it is for: a host name or an address
	KeyAuth string `json:"keyAuth"` // RFC 8555 §8.1

	cert *tls.Certificate // for tls-alpn-01, made when it is first asked for
}

type sighting struct {
	answer
	there bool
	until time.Time
}

// NewAnswers returns answers over a store. A nil log is silent.
func NewAnswers(store storage.Store, log *slog.Logger) *Answers {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	full := budget{looksPerSec, time.Now()}
	return &Answers{
		store: store, log: log, own: map[string]answer{}, found: map[string]sighting{},
		announced: map[string]bool{}, http: full, alpn: full,
	}
}

// Run listens for what other nodes publish, until ctx ends. Answers work without it, but
// then a flood of unknown tokens uses up the looks into the store that a validator needs.
func (a *Answers) Run(ctx context.Context) {
	a.store.Watch(ctx, ChallengePrefix, func(key string) {
		if key == "" {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if _, ok := a.own[key]; ok {
			return
		}
		delete(a.found, key)
		if len(a.announced) >= maxKnown {
			clear(a.announced) // back to the budget
		}
		a.announced[key] = true
	})
}

// HTTP returns what to answer to GET /.well-known/acme-challenge/token at host, a Host
// field with or without a port. ok is false where there is nothing to answer: the
// request is then like any other.
func (a *Answers) HTTP(ctx context.Context, host, token string) (keyAuth string, ok bool) {
	if !validToken(token) {
		return "", false
	}
	ans, ok := a.lookUp(ctx, httpKey(token))
	if !ok || !sameHost(host, ans.Name) || !strings.HasPrefix(ans.KeyAuth, token+".") {
		return "", false
	}
	return ans.KeyAuth, true
}

// ALPN returns the certificate for a handshake that offers acme-tls/1 alone (RFC 8737)
// with that server name; an error that is [fs.ErrNotExist] where nothing was published
// for it. For an address the server name is its reverse name (RFC 8738 §6).
func (a *Answers) ALPN(ctx context.Context, serverName string) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(serverName, "."))
	if !hostName(name) {
		return nil, fmt.Errorf("answer challenge: %q is no host name", brief(serverName))
	}
	key := alpnKey(name)
	ans, ok := a.lookUp(ctx, key)
	if !ok {
		return nil, fmt.Errorf("answer challenge for %s: %w", name, fs.ErrNotExist)
	}
	if ans.cert != nil {
		return ans.cert, nil
	}
	id, err := identifier(ans.Name)
	if err != nil || alpnName(id.Value) != name {
		return nil, fmt.Errorf("answer challenge for %s: the store holds another name's", name)
	}
	cert, err := acmez.TLSALPN01ChallengeCert(acme.Challenge{Identifier: id, KeyAuthorization: ans.KeyAuth})
	if err != nil {
		return nil, fmt.Errorf("answer challenge for %s: %w", name, err)
	}
	a.keepCert(key, ans, cert)
	return cert, nil
}

// IsALPN tells whether a client's hello is a validator's: it offers acme-tls/1 and
// nothing else (RFC 8737 §4).
func IsALPN(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == alpnProtocol
}

// keepCert saves the next validator's handshake a signature.
func (a *Answers) keepCert(key string, of answer, cert *tls.Certificate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if own, ok := a.own[key]; ok && own.KeyAuth == of.KeyAuth {
		own.cert = cert
		a.own[key] = own
	}
	if s, ok := a.found[key]; ok && s.KeyAuth == of.KeyAuth {
		s.cert = cert
		a.found[key] = s
	}
}

// lookUp looks here, and then in the store, within its bounds.
func (a *Answers) lookUp(ctx context.Context, key string) (answer, bool) {
	now := time.Now()
	a.mu.Lock()
	ans, ok := a.own[key]
	seen, known := a.found[key]
	known = known && now.Before(seen.until)
	look := !ok && !known && (a.announced[key] || a.budgetOf(key).spend(now))
	delete(a.announced, key)
	a.mu.Unlock()
	switch {
	case ok:
		return ans, true
	case known:
		return seen.answer, seen.there
	case !look:
		return answer{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	value, err := a.store.Get(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Tokens cannot be guessed, but names can: who asks for one all the time is not
		// to hide what is published for it.
		if strings.HasPrefix(key, ChallengePrefix+"http/") {
			a.remember(key, sighting{until: now.Add(missedLife)})
		}
		return answer{}, false
	case err != nil:
		a.log.Warn("the answer to a challenge could not be looked up", "err", err)
		return answer{}, false
	}
	if err := json.Unmarshal(value, &ans); err != nil || !hostOrAddr(ans.Name) {
		a.log.Warn("the store holds an answer to a challenge that is none", "key", key)
		return answer{}, false
	}
	life := foundLife
	if !strings.HasPrefix(key, ChallengePrefix+"http/") {
		life = foundALPN
	}
	a.remember(key, sighting{answer: ans, there: true, until: now.Add(life)})
	return ans, true
}

func (a *Answers) budgetOf(key string) *budget {
	if strings.HasPrefix(key, ChallengePrefix+"http/") {
		return &a.http
	}
	return &a.alpn
}

// spend takes one look from the budget, if there is one left.
func (b *budget) spend(now time.Time) bool {
	if passed := now.Sub(b.filled); passed > 0 {
		b.left = min(looksPerSec, b.left+passed.Seconds()*looksPerSec)
		b.filled = now
	}
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (a *Answers) remember(key string, s sighting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.found) >= maxKnown {
		now := time.Now()
		for k, old := range a.found {
			if now.After(old.until) || len(a.found) >= maxKnown && !old.there {
				delete(a.found, k)
			}
		}
		if len(a.found) >= maxKnown {
			return
		}
	}
	a.found[key] = s
}
