package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/weirproxy/weir/certs/storage"
)

// record is how an account is stored. It has a secret in it: who encrypts the store
// encrypts it, too.
type record struct {
	Key      string   `json:"key"` // PKCS #8, PEM
	Location string   `json:"location,omitempty"`
	Contact  []string `json:"contact,omitempty"`
}

// AccountPrefix is what the keys of all accounts begin with.
const AccountPrefix = "account/"

func (i *Issuer) accountKey() string {
	sum := sha256.Sum256([]byte(strings.ToLower(i.o.Email)))
	return AccountPrefix + i.id + "/" + hex.EncodeToString(sum[:8])
}

// Account tells the URL and the thumbprint (RFC 7638) of the account, if there is one.
func (i *Issuer) Account(ctx context.Context) (location, thumbprint string, err error) {
	a, err := i.load(ctx)
	if errors.Is(err, fs.ErrNotExist) || err == nil && a.Location == "" {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read account with %s: %w", i.o.Name, err)
	}
	thumbprint, err = a.Thumbprint()
	return a.Location, thumbprint, err
}

// enroll returns the account, and makes one if no node has yet.
func (i *Issuer) enroll(ctx context.Context, to *api) (acme.Account, error) {
	if known := i.member(); known != nil {
		return *known, nil
	}
	if err := i.joining.take(ctx); err != nil {
		return acme.Account{}, err
	}
	defer i.joining.give()
	if known := i.member(); known != nil {
		return *known, nil
	}
	a, err := i.load(ctx)
	if errors.Is(err, fs.ErrNotExist) || err == nil && a.Location == "" {
		a, err = i.register(ctx, to, "")
	}
	if err != nil {
		return acme.Account{}, err
	}
	i.remember(a)
	return *a, nil
}

// renew makes an account anew that the authority does not know any more. The key stays,
// so that an authority which has forgotten nothing finds it again.
func (i *Issuer) renew(ctx context.Context, to *api, gone acme.Account) error {
	if err := i.joining.take(ctx); err != nil {
		return err
	}
	defer i.joining.give()
	if known := i.member(); known != nil && known.Location != gone.Location {
		return nil // another order found out first
	}
	i.remember(nil)
	a, err := i.register(ctx, to, gone.Location)
	if err != nil {
		return err
	}
	i.remember(a)
	return nil
}

func (i *Issuer) member() *acme.Account {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.account
}

func (i *Issuer) remember(a *acme.Account) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.account = a
}

// register makes the account, one node for all: those who waited for the lock find what
// it made. gone is the URL of one that does not count any more.
func (i *Issuer) register(ctx context.Context, to *api, gone string) (*acme.Account, error) {
	lock, err := i.o.Store.Lock(ctx, AccountPrefix+i.id)
	if err != nil {
		return nil, &storeError{err}
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := lock.Unlock(ctx); err != nil {
			i.log.Warn("a lock was not given back", "ca", i.o.Name, "err", err)
		}
	}()
	a, err := i.load(storage.Fresh(ctx))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if a, err = i.draft(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case a.Location != "" && a.Location != gone:
		return a, nil
	}
	// The key is written first: whoever is killed behind newAccount leaves no account
	// behind that nobody can use, of which authorities allow so many an hour.
	a.Location = ""
	if err := i.save(ctx, lock, a); err != nil {
		return nil, err
	}
	if err := i.create(ctx, to, a); err != nil {
		return nil, err
	}
	if err := i.save(ctx, lock, a); err != nil {
		return nil, err
	}
	i.log.Info("account made", "ca", i.o.Name, "account", a.Location)
	return a, nil
}

// draft is a new account that the authority has not heard of.
func (i *Issuer) draft() (*acme.Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &acme.Account{PrivateKey: key}
	if i.o.Email != "" {
		a.Contact = []string{"mailto:" + i.o.Email}
	}
	return a, nil
}

func (i *Issuer) create(ctx context.Context, to *api, a *acme.Account) error {
	ask := acme.Account{Contact: a.Contact, PrivateKey: a.PrivateKey, TermsOfServiceAgreed: true}
	eab, err := i.binding(ctx)
	if err != nil {
		return err
	}
	if eab != nil {
		if err := ask.SetExternalAccountBinding(ctx, to.Client, acme.EAB{KeyID: eab.KeyID, MACKey: eab.HMAC}); err != nil {
			return err
		}
	}
	made, err := to.NewAccount(ctx, ask)
	if err != nil {
		return fmt.Errorf("make account: %w", err)
	}
	if made.Location == "" {
		return errors.New("the authority made an account without an address")
	}
	a.Location, a.Status = made.Location, acme.StatusValid
	return nil
}

func (i *Issuer) load(ctx context.Context) (*acme.Account, error) {
	value, err := i.o.Store.Get(ctx, i.accountKey())
	if err != nil {
		return nil, &storeError{err}
	}
	a, err := decodeAccount(value)
	if err != nil {
		return nil, &storeError{fmt.Errorf("%s %w", i.accountKey(), err)}
	}
	return a, nil
}

func (i *Issuer) save(ctx context.Context, lock storage.Lock, a *acme.Account) error {
	der, err := x509.MarshalPKCS8PrivateKey(a.PrivateKey)
	if err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	value, err := json.Marshal(record{Key: string(key), Location: a.Location, Contact: a.Contact})
	if err != nil {
		return err
	}
	if err := lock.Put(ctx, i.accountKey(), value, 0); err != nil {
		return &storeError{err}
	}
	return nil
}

func decodeAccount(value []byte) (*acme.Account, error) {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, errors.New("is no account") // not err: it could quote the key
	}
	block, _ := pem.Decode([]byte(r.Key))
	if block == nil {
		return nil, errors.New("has no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("has a damaged key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("has a key that cannot sign")
	}
	return &acme.Account{Status: acme.StatusValid, Contact: r.Contact, Location: r.Location, PrivateKey: signer}, nil
}
