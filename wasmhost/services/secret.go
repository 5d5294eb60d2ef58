package services

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Secrets keeps what weir makes itself.
type Secrets interface {
	// Secret returns 32 random bytes, the same for a name on all nodes and after a
	// restart. They are made if they are not there.
	Secret(ctx context.Context, name string) ([]byte, error)
}

// madeSecret is one that weir keeps. It is read again now and then, so that one which was
// taken out of the store is made anew for all nodes.
type madeSecret struct {
	secrets Secrets
	name    string

	mu     sync.Mutex
	secret []byte
	asked  time.Time
}

// askAgain is how long a secret is used that is not read again.
const askAgain = time.Minute

func (m *madeSecret) get(ctx context.Context) ([]byte, error) {
	if m.secrets == nil {
		return nil, errors.New("there is nowhere to keep keys here")
	}
	known, ok := m.known()
	if ok {
		return known, nil
	}
	secret, err := m.secrets.Secret(ctx, m.name)
	switch {
	case err == nil:
		m.mu.Lock()
		defer m.mu.Unlock()
		m.secret, m.asked = secret, time.Now()
		return secret, nil
	case known != nil: // better than none
		return known, nil
	}
	return nil, err
}

// known returns the secret, and whether it need not be asked for. One of those who need
// it asks again; the others go on.
func (m *madeSecret) known() (secret []byte, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secret != nil && time.Since(m.asked) < askAgain {
		return m.secret, true
	}
	m.asked = time.Now()
	return m.secret, false
}
