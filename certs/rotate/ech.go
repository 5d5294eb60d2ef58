package rotate

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// ECHOptions are the settings of Encrypted Client Hello. Store and PublicName are needed.
type ECHOptions struct {
	Store storage.Store
	Log   *slog.Logger // hears of rotations, and of what stands in their way; nil is silent
	// PublicName is the name that everybody may see a client ask for. There must be a
	// certificate for it, with which the server tells clients of a newer key. When it
	// changes, keys are replaced soon.
	PublicName string
	Every      time.Duration // how long a key is given out; 0 means 30 days
	Keep       int           // for how many periods it is accepted, the one it is given out in included; 0 means 3
	Poll       time.Duration // how often the record is read, besides when the store tells of a change; 0 means 10 minutes
	// Changed is called with what ConfigList returns whenever that is something else than
	// before: publish it. Never twice at once, from a goroutine of ECH's own, and perhaps
	// before OpenECH has returned. It must not call Close. It may be nil.
	Changed func(configList []byte)
	Now     func() time.Time // the clock of this node; nil means time.Now
}

// ECH are the keys of Encrypted Client Hello (RFC 9849), the same on all nodes:
// DHKEM(X25519, HKDF-SHA256) with HKDF-SHA256, and AES-128-GCM or ChaCha20-Poly1305.
// Methods are safe for concurrent use.
//
// Until the store answers for the first time there are none, and nothing is offered: a
// key that one node alone has helps no client.
type ECH struct {
	shared
	told  func([]byte)
	state atomic.Pointer[echState]
}

type echState struct {
	keys    []tls.EncryptedClientHelloKey
	list    []byte
	signs   time.Time
	changes time.Time
}

// OpenECH starts to share keys. It does not wait for the store. Errors are about the
// options. Close ends it.
func OpenECH(o ECHOptions) (*ECH, error) {
	name := strings.ToLower(o.PublicName)
	if err := checkPublicName(name); err != nil {
		return nil, fmt.Errorf("open ECH keys: %w", err)
	}
	if o.Poll <= 0 {
		o.Poll = 10 * time.Minute
	}
	e := &ECH{told: o.Changed}
	e.state.Store(&echState{keys: []tls.EncryptedClientHelloKey{}})
	e.shared = shared{
		name: "secret/ech", what: "ECH", store: o.Store, log: orSilent(o.Log),
		plan: plan(o.Every, 30*24*time.Hour, o.Keep, 3, o.Poll), poll: pollOf(o.Poll), now: orNow(o.Now),
		make: func(r ring) (key, error) { return newECHKey(name, r.hasConfig) }, good: goodECHKey, apply: e.use,
	}
	e.plan.unfit = func(k key) bool {
		c, err := decodeECHConfig(k.Public)
		return err != nil || c.publicName != name
	}
	e.start()
	return e, nil
}

// Close ends the sharing. Keys and ConfigList go on working.
func (e *ECH) Close() { e.close() }

// Keys returns the keys that are accepted, for
// [crypto/tls.Config.GetEncryptedClientHelloKeys]; none is an empty slice. A client that
// used one that is not accepted any more is told of the first one. They are not to be
// changed.
func (e *ECH) Keys() []tls.EncryptedClientHelloKey { return e.state.Load().keys }

// ConfigList returns the ECHConfigList that clients are to use, nil if there is none yet.
// It is not to be changed.
func (e *ECH) ConfigList() []byte { return e.state.Load().list }

// HTTPSRecord returns the record that tells clients of ConfigList, and of the protocols
// that are spoken at name and port.
func (e *ECH) HTTPSRecord(name string, alpn []string, port uint16) HTTPSRecord {
	return newHTTPSRecord(name, alpn, port, e.ConfigList())
}

// Status tells how the keys are now.
func (e *ECH) Status() Status {
	s := e.state.Load()
	st := Status{Keys: len(s.keys), Shared: len(s.keys) > 0, Next: s.changes}
	if st.Shared {
		st.Age = max(0, e.now().Sub(s.signs))
	}
	return e.status(st)
}

// use takes over the keys that count now, and says when others will.
func (e *ECH) use(r *ring) time.Time {
	if r == nil {
		return time.Time{}
	}
	now := e.now()
	s := &echState{changes: changeAfter(*r, now)}
	all := r.at(now)
	for i, k := range all {
		s.keys = append(s.keys, tls.EncryptedClientHelloKey{Config: k.Public, PrivateKey: k.Secret, SendAsRetry: i == 0})
	}
	s.signs, s.list = all[0].Signs, appendVector16(nil, all[0].Public)
	old := e.state.Swap(s)
	if e.told != nil && !bytes.Equal(old.list, s.list) {
		e.told(s.list)
	}
	return s.changes
}

// hasConfig tells whether a key of r has a configuration of that id.
func (r ring) hasConfig(id uint8) bool {
	for _, k := range r.Keys {
		if c, err := decodeECHConfig(k.Public); err == nil && c.id == id {
			return true
		}
	}
	return false
}
