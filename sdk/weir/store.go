package weir

import (
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Store is where all nodes of a weir keep what guests give them. The zero Store is the
// plugin's own; others, by their name, it must be granted. All its methods wait.
type Store struct{ Space string }

// Entry is what is kept under a key.
type Entry struct {
	Key     string
	Value   []byte
	Version uint64 // changes with each write
}

// PutOptions says how an entry is written: by the zero PutOptions whatever is there, and
// for ever.
type PutOptions struct {
	TTL time.Duration // how long it lives; 0: for ever
	// If is the version that the entry must have; 0: any. See IfAbsent.
	If uint64
	// IfAbsent writes only what is not there.
	IfAbsent bool
}

// Get returns the entry of a key. Its error is ErrNotFound if there is none.
func (s Store) Get(key string) (Entry, error) {
	f, _, err := later("get "+key, ext.StoreGet, ext.Append(ext.Append(nil, s.Space), key))
	if err != nil {
		return Entry{}, err
	}
	return Entry{Key: key, Value: f.Bytes(), Version: f.Uint()}, nil
}

// Put writes an entry, and returns its version. Its error is ErrConflict if the entry
// is not as o wants it.
func (s Store) Put(key string, value []byte, o PutOptions) (version uint64, err error) {
	want := uint64(ext.Any)
	switch {
	case o.IfAbsent:
		want = ext.Absent
	case o.If != 0:
		want = o.If
	}
	if o.TTL < 0 {
		return 0, &Error{Op: "put " + key, Status: abi.BadArgument, Message: "its time is over"}
	}
	b := ext.Append(ext.Append(ext.Append(nil, s.Space), key), value)
	b = ext.AppendUint(ext.AppendUint(b, milliseconds(o.TTL)), want)
	f, _, err := later("put "+key, ext.StorePut, b)
	if err != nil {
		return 0, err
	}
	return f.Uint(), nil
}

// Delete removes an entry; with a version that is not 0, only if it has that
// (ErrConflict). It is no error if there is none.
func (s Store) Delete(key string, version uint64) error {
	if version == 0 {
		version = ext.Any
	}
	_, _, err := later("delete "+key, ext.StoreDelete, ext.AppendUint(ext.Append(ext.Append(nil, s.Space), key), version))
	return err
}

// List returns entries whose keys begin with prefix and come after the key after, in the
// order of their keys: limit of them, at most 1,000. There may be fewer though there are
// more: only none means that none follow.
func (s Store) List(prefix, after string, limit int) ([]Entry, error) {
	b := ext.Append(ext.Append(ext.Append(nil, s.Space), prefix), after)
	f, _, err := later("list "+prefix, ext.StoreList, ext.AppendUint(b, uint64(limit)))
	if err != nil {
		return nil, err
	}
	var all []Entry
	for f.More() {
		all = append(all, Entry{Key: f.Text(), Value: f.Bytes(), Version: f.Uint()})
	}
	return all, f.End()
}

// HashPassword returns a hash of a password that is fit to be kept: argon2id, made by
// the host beside its requests.
func HashPassword(password string) (string, error) {
	f, _, err := later("hash password", ext.PasswordHash, ext.Append(nil, password))
	return f.Text(), err
}

// VerifyPassword tells whether a password is the one of a hash, and whether it should be
// hashed anew, since that is not how it would be done today.
func VerifyPassword(hash, password string) (right, renew bool, err error) {
	f, _, err := later("verify password", ext.PasswordVerify, ext.Append(ext.Append(nil, hash), password))
	return f.Uint() == 1, f.Uint() == 1, err
}

// Sign returns the signature of a message by a key of that name, which the plugin is
// granted and never sees, and its algorithm: HS256 or EdDSA.
func Sign(key string, message []byte) (signature []byte, algorithm string, err error) {
	f, _, err := later("sign with "+key, ext.Sign, ext.Append(ext.Append(nil, key), message))
	return f.Bytes(), f.Text(), err
}

// Verify tells whether a signature is that of the message by the key.
func Verify(key string, message, signature []byte) (bool, error) {
	f, _, err := later("verify with "+key, ext.Verify, ext.Append(ext.Append(ext.Append(nil, key), message), signature))
	return f.Uint() == 1, err
}

const mostRandom = 1 << 16

// Random returns n bytes that nobody can guess, at most 65,536.
func Random(n int) ([]byte, error) {
	switch {
	case n == 0:
		return nil, nil
	case n < 0 || n > mostRandom:
		return nil, failed("make random bytes", abi.BadArgument)
	}
	b, st := host.Foreign(ext.Random, ext.AppendUint(nil, uint64(n)))
	if st == abi.NotFound {
		return ownRandom(n)
	}
	if st != abi.OK {
		return nil, refused("make random bytes", st)
	}
	f := ext.Read(b)
	return f.Bytes(), f.End()
}

// later calls a function of weir's and waits for its answer.
func later(op, name string, argument []byte) (ext.Fields, *late, error) {
	g := inside
	if g == nil {
		return ext.Fields{}, nil, &Error{Op: op, kind: ErrNoRequest}
	}
	l, err := g.ask(op, name, argument)
	if err != nil {
		return ext.Fields{}, nil, err
	}
	f, err := l.await(op)
	l.forget()
	return f, l, err
}
