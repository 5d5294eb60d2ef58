package sdktest

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/argon2"
)

// refusal is a status that a service answers, and why.
type refusal struct {
	st  abi.Status
	why string
}

func bad(format string, a ...any) *refusal {
	return &refusal{abi.BadArgument, fmt.Sprintf(format, a...)}
}

// service makes a foreign function of f, which is called when the guest's callback is
// over.
func service(what string, f func(*Host, *ext.Fields) ([]byte, *refusal)) func(*Host, *ext.Fields) ([]byte, abi.Status) {
	return func(h *Host, argument *ext.Fields) ([]byte, abi.Status) {
		if len(h.pending) >= h.mostCalls {
			return nil, abi.InternalFailure
		}
		p := h.promise(what)
		h.clock.after(0, func() error {
			if p.over {
				return nil
			}
			b, no := f(h, argument)
			if no != nil {
				return p.end(no.st, ext.Append(nil, no.why))
			}
			return p.end(abi.OK, b)
		})
		return p.result()
	}
}

// store is what guests keep.
type store struct {
	granted map[string]bool
	entries map[[2]string]entry // by space and key
	version uint64
}

type entry struct {
	value   string
	version uint64
	ends    time.Duration // 0: never
}

// at returns an entry, if its time is not over.
func (h *Host) entry(space, key string) (entry, bool) {
	e, ok := h.store.entries[[2]string{space, key}]
	if ok && e.ends > 0 && e.ends <= h.clock.now {
		delete(h.store.entries, [2]string{space, key})
		return entry{}, false
	}
	return e, ok
}

func (h *Host) keep(space, key, value string, life time.Duration) uint64 {
	s := &h.store
	if s.entries == nil {
		s.entries = map[[2]string]entry{}
	}
	s.version++
	e := entry{value: value, version: s.version}
	if life > 0 {
		e.ends = h.clock.now + life
	}
	s.entries[[2]string{space, key}] = e
	return s.version
}

// entryOf reads a space and a key of it.
func (h *Host) entryOf(f *ext.Fields) (space, key string, no *refusal) {
	space, key = f.Text(), f.Text()
	if !h.store.granted[space] {
		return "", "", &refusal{ext.Denied, fmt.Sprintf("the part %q of the store is not granted: tell the test's host of it with Grant", space)}
	}
	if key == "" {
		return "", "", bad("a key has 1 to 512 bytes")
	}
	return space, key, checkKey(key)
}

func checkKey(key string) *refusal {
	switch {
	case len(key) > 512:
		return bad("a key has 1 to 512 bytes, this one has %d", len(key))
	case !utf8.ValidString(key):
		return bad("the key %.64q is no UTF-8", key)
	case strings.ContainsFunc(key, unicode.IsControl):
		return bad("the key %.64q has a control character", key)
	}
	return nil
}

var errFields = bad("read fields: they are not what was expected")

func storeGet(h *Host, f *ext.Fields) ([]byte, *refusal) {
	space, key, no := h.entryOf(f)
	if f.End() != nil {
		return nil, errFields
	}
	if no != nil {
		return nil, no
	}
	e, ok := h.entry(space, key)
	if !ok {
		return nil, &refusal{abi.NotFound, fmt.Sprintf("read %.64q: there is no such entry", key)}
	}
	return ext.AppendUint(ext.Append(nil, e.value), e.version), nil
}

// fits tells whether an entry has the wanted version.
func (h *Host) fits(space, key string, wanted uint64) bool {
	e, ok := h.entry(space, key)
	return wanted == ext.Any || wanted == ext.Absent && !ok || ok && e.version == wanted
}

func storePut(h *Host, f *ext.Fields) ([]byte, *refusal) {
	space, key, no := h.entryOf(f)
	value, life, wanted := f.Text(), f.Uint(), f.Uint()
	switch {
	case f.End() != nil:
		return nil, errFields
	case no != nil:
		return nil, no
	case len(value) > 64<<10:
		return nil, bad("a value has %d bytes at most, this one has %d", 64<<10, len(value))
	case life > uint64(100*365*24*time.Hour/time.Millisecond):
		return nil, bad("an entry lives for 100 years at most")
	case !h.fits(space, key, wanted):
		return nil, &refusal{abi.CASMismatch, fmt.Sprintf("write %.64q: the entry has another version", key)}
	}
	return ext.AppendUint(nil, h.keep(space, key, value, time.Duration(life)*time.Millisecond)), nil
}

func storeDelete(h *Host, f *ext.Fields) ([]byte, *refusal) {
	space, key, no := h.entryOf(f)
	wanted := f.Uint()
	if f.End() != nil {
		return nil, errFields
	}
	if no != nil {
		return nil, no
	}
	if _, ok := h.entry(space, key); ok && !h.fits(space, key, wanted) {
		return nil, &refusal{abi.CASMismatch, fmt.Sprintf("delete %.64q: the entry has another version", key)}
	}
	delete(h.store.entries, [2]string{space, key})
	return nil, nil
}

func storeList(h *Host, f *ext.Fields) ([]byte, *refusal) {
	space, prefix, after, most := f.Text(), f.Text(), f.Text(), f.Uint()
	switch {
	case f.End() != nil:
		return nil, errFields
	case !h.store.granted[space]:
		return nil, &refusal{ext.Denied, fmt.Sprintf("the part %q of the store is not granted: tell the test's host of it with Grant", space)}
	case most < 1 || most > 1000:
		return nil, bad("a list has 1 to 1000 entries, not %d", most)
	}
	var b []byte
	for _, key := range h.keysOf(space) {
		if most == 0 {
			break
		}
		if e, ok := h.entry(space, key); ok && strings.HasPrefix(key, prefix) && key > after {
			b = ext.AppendUint(ext.Append(ext.Append(b, key), e.value), e.version)
			most--
		}
	}
	return b, nil
}

// keysOf returns the keys of a space, in their order.
func (h *Host) keysOf(space string) (keys []string) {
	for at := range h.store.entries {
		if _, ok := h.entry(at[0], at[1]); ok && at[0] == space {
			keys = append(keys, at[1])
		}
	}
	slices.Sort(keys)
	return keys
}

// cheap are the parameters of hashes that are made here: tests do not wait for them.
const cheap = "$argon2id$v=19$m=64,t=1,p=1$"

func passwordHash(h *Host, f *ext.Fields) ([]byte, *refusal) {
	password := f.Bytes()
	if f.End() != nil {
		return nil, errFields
	}
	if len(password) > 1024 {
		return nil, bad("a password has 1024 bytes at most")
	}
	salt := make([]byte, 16)
	_, _ = h.random.Read(salt)
	b64 := base64.RawStdEncoding
	return ext.Append(nil, cheap+b64.EncodeToString(salt)+"$"+b64.EncodeToString(argon2.Key(password, salt, 1, 64, 1, 32))), nil
}

func passwordVerify(_ *Host, f *ext.Fields) ([]byte, *refusal) {
	hash, password := f.Text(), f.Bytes()
	if f.End() != nil {
		return nil, errFields
	}
	var memory, passes, lanes uint32
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return nil, bad("the hash is none of argon2id ($argon2id$…)")
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); n != 3 || err != nil ||
		memory < 8*lanes || memory > 256<<10 || passes < 1 || passes > 10 || lanes < 1 || lanes > 16 {
		return nil, bad("the hash has other parameters than m, t and p")
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(sum) < 16 || len(sum) > 64 {
		return nil, bad("the hash has no salt or no sum")
	}
	right := subtle.ConstantTimeCompare(argon2.Key(password, salt, passes, memory, uint8(lanes), uint32(len(sum))), sum) == 1
	weak := !strings.HasPrefix(hash, cheap) && (memory < 19<<10 || passes < 2)
	return flag(flag(nil, right), right && weak), nil
}

func flag(b []byte, yes bool) []byte {
	if yes {
		return ext.AppendUint(b, 1)
	}
	return ext.AppendUint(b, 0)
}

// signature is that of a message by a key.
func (h *Host) signature(key string, message []byte) (sum []byte, algorithm string, no *refusal) {
	switch k := h.keys[key].(type) {
	case []byte:
		m := hmac.New(sha256.New, k)
		m.Write(message)
		return m.Sum(nil), "HS256", nil
	case ed25519.PrivateKey:
		return ed25519.Sign(k, message), "EdDSA", nil
	}
	return nil, "", &refusal{ext.Denied, fmt.Sprintf("the key %q is not granted: tell the test's host of it with Key", key)}
}

func sign(h *Host, f *ext.Fields) ([]byte, *refusal) {
	key, message := f.Text(), f.Bytes()
	if f.End() != nil {
		return nil, errFields
	}
	sum, algorithm, no := h.signature(key, message)
	return ext.Append(ext.Append(nil, sum), algorithm), no
}

func verify(h *Host, f *ext.Fields) ([]byte, *refusal) {
	key, message, signature := f.Text(), f.Bytes(), f.Bytes()
	if f.End() != nil {
		return nil, errFields
	}
	sum, _, no := h.signature(key, message)
	return flag(nil, hmac.Equal(sum, signature)), no
}
