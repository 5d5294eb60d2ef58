package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrExpired is a certificate whose time is over.
var ErrExpired = errors.New("it has expired")

// Problem is a record that is not as it should be.
type Problem struct {
	Key string
	Err error // ErrDamaged, ErrNewer, ErrSealed, ErrOtherKey or ErrExpired
}

// String says which record it is, and what is wrong with it.
func (p Problem) String() string { return p.Key + ": " + p.Err.Error() }

// page is how many records are asked for at once.
const page = 100

// Certs calls each with every certificate of the store, in the order of keys, until that
// returns an error, or all are through. A record that cannot be used comes as an error
// with a nil certificate.
func Certs(ctx context.Context, store Store, each func(key string, c *Cert, err error) error) error {
	after := ""
	for {
		records, err := store.List(ctx, CertPrefix, after, page)
		if err != nil {
			return fmt.Errorf("list certificates: %w", err)
		}
		for _, r := range records {
			c, err := DecodeCert(r.Value)
			if errors.Is(err, ErrSealed) { // List cannot say why it did not open
				if _, closer := store.Get(ctx, r.Key); closer != nil {
					err = closer
				}
			}
			if err := each(r.Key, c, err); err != nil {
				return err
			}
			after = r.Key
		}
		if len(records) < page {
			return nil
		}
	}
}

// Check looks through all certificates of the store: whether they can be read, key and
// leaf belong together, the names are covered, the record tells the truth about the leaf,
// and it is in date now. Nothing is changed, and the store itself is asked, never a copy.
// The error is the store's.
func Check(ctx context.Context, store Store, now time.Time) ([]Problem, error) {
	var found []Problem
	err := Certs(Fresh(ctx), store, func(key string, c *Cert, err error) error {
		if err == nil {
			err = checkCert(key, c, now)
		}
		if err != nil {
			found = append(found, Problem{key, err})
		}
		return nil
	})
	return found, err
}

// CheckRecord looks through one record as Check does.
func CheckRecord(r Record, now time.Time) error {
	c, err := DecodeCert(r.Value)
	if err != nil {
		return err
	}
	return checkCert(r.Key, c, now)
}

func checkCert(key string, c *Cert, now time.Time) error {
	pair, err := c.TLS()
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(key, CertPrefix)
	switch leaf := pair.Leaf; {
	case leaf.VerifyHostname(name) != nil:
		return fmt.Errorf("%w: the certificate is not for %s", ErrDamaged, name)
	case !c.NotAfter.Equal(leaf.NotAfter) || !c.NotBefore.Equal(leaf.NotBefore):
		return fmt.Errorf("%w: it says until %v, the certificate %v", ErrDamaged, c.NotAfter, leaf.NotAfter)
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%w: %v ago, on %s", ErrExpired, now.Sub(leaf.NotAfter).Round(time.Minute), leaf.NotAfter.Format(time.DateOnly))
	}
	return nil
}
