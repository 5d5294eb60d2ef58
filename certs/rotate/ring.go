package rotate

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// ring is the shared record: keys, the newest first.
type ring struct {
	Version int   `json:"version"`
	Keys    []key `json:"keys"`
}

// key is one secret and its time. It is accepted from when it is in the record, used for
// what is new from Signs on, until the next key's Signs, and accepted still until it is
// taken from the record.
type key struct {
	ID      string    `json:"id"` // random, for people and logs
	Created time.Time `json:"created"`
	Signs   time.Time `json:"signs"`
	Secret  []byte    `json:"secret"`
	Public  []byte    `json:"public,omitempty"` // what belongs to it and is not secret
}

// Bounds of the record.
const (
	ringVersion   = 1
	mostRingBytes = 64 << 10
	mostKeys      = 64
)

func (r ring) encode() ([]byte, error) {
	r.Version = ringVersion
	for i := range r.Keys {
		k := &r.Keys[i]
		k.Created, k.Signs = k.Created.UTC().Round(0), k.Signs.UTC().Round(0)
	}
	return json.Marshal(r)
}

// decodeRing reads a record, whose keys check must find good. Errors are
// [storage.ErrDamaged], [storage.ErrNewer] or [storage.ErrSealed].
func decodeRing(b []byte, check func(key) error) (ring, error) {
	var r ring
	switch {
	case storage.IsSealed(b):
		return r, storage.ErrSealed
	case len(b) > mostRingBytes:
		return r, fmt.Errorf("%w: %d bytes, at most %d", storage.ErrDamaged, len(b), mostRingBytes)
	}
	if err := storage.CheckVersion(b, ringVersion); err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	err := d.Decode(&r)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more follows behind its end")
		}
	}
	if err == nil {
		err = r.check(check)
	}
	if err != nil {
		return ring{}, fmt.Errorf("%w: %w", storage.ErrDamaged, err)
	}
	r.sort()
	return r, nil
}

func (r ring) check(good func(key) error) error {
	if len(r.Keys) == 0 || len(r.Keys) > mostKeys {
		return fmt.Errorf("%d keys, want 1 to %d", len(r.Keys), mostKeys)
	}
	seen := map[string]bool{}
	for _, k := range r.Keys {
		switch {
		case k.ID == "" || len(k.ID) > 64 || seen[k.ID]:
			return fmt.Errorf("key id %.80q", k.ID)
		case k.Created.IsZero() || k.Signs.IsZero():
			return fmt.Errorf("key %s has no time", k.ID)
		}
		if err := good(k); err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		seen[k.ID] = true
	}
	return nil
}

func (r ring) sort() {
	slices.SortFunc(r.Keys, func(a, b key) int {
		return cmp.Or(b.Signs.Compare(a.Signs), b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
}

// signer is the index of the key that signs at a moment.
func (r ring) signer(now time.Time) int {
	i := slices.IndexFunc(r.Keys, func(k key) bool { return !k.Signs.After(now) })
	if i < 0 { // this clock is behind that of whoever has just made the record
		i = len(r.Keys) - 1
	}
	return i
}

// at returns the keys that are accepted, which are all; first the one that signs.
func (r ring) at(now time.Time) []key {
	i := r.signer(now)
	return append(append([]key{r.Keys[i]}, r.Keys[:i]...), r.Keys[i+1:]...)
}

// schedule says when keys come and go.
type schedule struct {
	every time.Duration  // a period
	keep  int            // how many keys that have begun to sign are accepted
	lead  time.Duration  // the least that a key is known before it signs
	unfit func(key) bool // keys that are to be replaced soon; nil: none
}

// due tells whether the ring is to be turned: the newest key has begun to sign, or is
// unfit, or is further ahead than any node would put it. Then a clock was wrong, or the
// period was a longer one.
func (s schedule) due(r ring, now time.Time) bool {
	return !s.waits(r.Keys[0], now) || s.wild(r.Keys[0], now)
}

// waits tells whether k is one that will sign.
func (s schedule) waits(k key, now time.Time) bool {
	return k.Signs.After(now) && (s.unfit == nil || !s.unfit(k))
}

func (s schedule) wild(k key, now time.Time) bool { return k.Signs.After(now.Add(2*s.every + s.lead)) }

// turn returns the ring with fresh put in, if no other key waits, and without those that
// have signed keep periods ago. A key that would sign too late does it soon.
func (s schedule) turn(r ring, fresh key, now time.Time) ring {
	fresh.ID, fresh.Created, fresh.Signs = newID(), now, now.Add(s.lead)
	next, waits := ring{}, false
	for _, k := range r.Keys {
		fit := s.unfit == nil || !s.unfit(k)
		if !fit && k.Signs.After(now.Add(s.lead)) {
			continue // it need never sign
		}
		if s.wild(k, now) {
			k.Signs = now.Add(s.lead)
		}
		if after := k.Signs.Add(s.every); fit && after.After(fresh.Signs) {
			fresh.Signs = after
		}
		waits = waits || s.waits(k, now)
		next.Keys = append(next.Keys, k)
	}
	if !waits {
		next.Keys = append(next.Keys, fresh)
	}
	next.sort()
	next.Keys = next.Keys[:min(len(next.Keys), next.signer(now)+s.keep, mostKeys)]
	return next
}

// first returns a ring where there was none: a key that signs at once, for nobody has a
// better one, and the next.
func (s schedule) first(a, b key, now time.Time) ring {
	a.ID, a.Created, a.Signs = newID(), now, now
	return s.turn(ring{Keys: []key{a}}, b, now)
}

func newID() string { return rand.Text()[:12] }
