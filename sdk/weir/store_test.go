package weir_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// within runs f as a filter of weir's, and on another host, where what f returns has to
// be ErrUnsupported.
func within(t *testing.T, prepare func(h *sdktest.Host), f func(r *weir.Request) error) *sdktest.Host {
	t.Helper()
	var got error
	filter := sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		got = f(r)
		return next(r)
	})
	h := sdktest.New(t, filter)
	if prepare != nil {
		prepare(h)
	}
	h.Get("/")
	if got != nil {
		t.Errorf("on weir: %v", got)
	}
	sdktest.New(t, filter, sdktest.Plain()).Get("/")
	if !errors.Is(got, weir.ErrUnsupported) {
		t.Errorf("elsewhere: %v", got)
	}
	return h
}

func TestStore_KeepsWhatIsPut(t *testing.T) {
	t.Parallel()
	h := within(t, nil, func(*weir.Request) error {
		var s weir.Store
		if _, err := s.Get("a"); !errors.Is(err, weir.ErrNotFound) {
			return fmt.Errorf("get of none: %w", err)
		}
		v1, err := s.Put("a", []byte("1"), weir.PutOptions{})
		if err != nil {
			return err
		}
		e, err := s.Get("a")
		if err != nil || string(e.Value) != "1" || e.Key != "a" || e.Version != v1 {
			t.Errorf("got %+v, %v", e, err)
		}
		v2, err := s.Put("a", nil, weir.PutOptions{})
		if err != nil || v2 == v1 {
			t.Errorf("put again: %d, %v", v2, err)
		}
		if e, err = s.Get("a"); err != nil || len(e.Value) > 0 {
			t.Errorf("got %+v, %v", e, err)
		}
		if err := s.Delete("a", 0); err != nil {
			return err
		}
		if err := s.Delete("a", 0); err != nil {
			t.Errorf("delete of none: %v", err)
		}
		_, err = s.Put("b", []byte("2"), weir.PutOptions{})
		return err
	})
	v, ok := h.Stored("", "b")
	same(t, "b", v, "2")
	same(t, "b", ok, true)
	same(t, "keys", strings.Join(h.StoredKeys(""), ","), "b")
}

func TestStore_WritesOnlyWhatNobodyElseHas(t *testing.T) {
	t.Parallel()
	within(t, nil, func(*weir.Request) error {
		var s weir.Store
		v1, err := s.Put("a", []byte("1"), weir.PutOptions{IfAbsent: true})
		if err != nil {
			return err
		}
		if _, err := s.Put("a", []byte("2"), weir.PutOptions{IfAbsent: true}); !errors.Is(err, weir.ErrConflict) {
			t.Errorf("put if absent: %v", err)
		}
		v2, err := s.Put("a", []byte("3"), weir.PutOptions{If: v1})
		if err != nil {
			t.Errorf("put if that: %v", err)
		}
		if _, err := s.Put("a", []byte("4"), weir.PutOptions{If: v1}); !errors.Is(err, weir.ErrConflict) {
			t.Errorf("put if it were: %v", err)
		}
		if err := s.Delete("a", v1); !errors.Is(err, weir.ErrConflict) {
			t.Errorf("delete if it were: %v", err)
		}
		return s.Delete("a", v2)
	})
}

func TestStore_ForgetsInTime(t *testing.T) {
	t.Parallel()
	within(t, nil, func(*weir.Request) error {
		var s weir.Store
		if _, err := s.Put("a", []byte("1"), weir.PutOptions{TTL: time.Second}); err != nil {
			return err
		}
		_ = weir.Sleep(999 * time.Millisecond)
		if _, err := s.Get("a"); err != nil {
			t.Errorf("too early: %v", err)
		}
		_ = weir.Sleep(time.Millisecond)
		if _, err := s.Get("a"); !errors.Is(err, weir.ErrNotFound) {
			t.Errorf("too late: %v", err)
		}
		_, err := s.Put("a", []byte("1"), weir.PutOptions{IfAbsent: true})
		return err
	})
}

func TestStore_Lists(t *testing.T) {
	t.Parallel()
	within(t, func(h *sdktest.Host) {
		for i := range 5 {
			h.Store("", fmt.Sprint("a", i), fmt.Sprint(i), 0)
		}
		h.Store("", "b", "", 0)
	}, func(*weir.Request) error {
		for _, c := range []struct {
			prefix, after string
			limit         int
			want          string
		}{
			{"a", "", 100, "a0=0 a1=1 a2=2 a3=3 a4=4 "}, {"a", "", 2, "a0=0 a1=1 "}, {"a", "a1", 2, "a2=2 a3=3 "},
			{"", "a3", 10, "a4=4 b= "}, {"c", "", 10, ""}, {"a", "a4", 10, ""},
		} {
			all, err := weir.Store{}.List(c.prefix, c.after, c.limit)
			if err != nil {
				return err
			}
			var got strings.Builder
			for _, e := range all {
				got.WriteString(e.Key + "=" + string(e.Value) + " ")
			}
			same(t, fmt.Sprintf("list %q after %q", c.prefix, c.after), got.String(), c.want)
		}
		for _, limit := range []int{0, -1, 1001} {
			if _, err := (weir.Store{}).List("", "", limit); err == nil {
				t.Errorf("listed %d", limit)
			}
		}
		return nil
	})
}

func TestStore_OfOthersIsToBeGranted(t *testing.T) {
	t.Parallel()
	within(t, func(h *sdktest.Host) {
		h.Grant("sessions")
		h.Store("sessions", "a", "ada", 0)
	}, func(*weir.Request) error {
		e, err := weir.Store{Space: "sessions"}.Get("a")
		if err == nil {
			same(t, "a", string(e.Value), "ada")
			_, denied := weir.Store{Space: "users"}.Get("a")
			if !errors.Is(denied, weir.ErrDenied) || !strings.Contains(denied.Error(), "users") {
				t.Errorf("not granted: %v", denied)
			}
			_, denied = weir.Store{Space: "users"}.List("", "", 1)
			if !errors.Is(denied, weir.ErrDenied) {
				t.Errorf("not granted: %v", denied)
			}
		}
		return err
	})
}

func TestStore_RefusesBadKeysAndValues(t *testing.T) {
	t.Parallel()
	within(t, nil, func(*weir.Request) error {
		var s weir.Store
		if _, err := s.Get(""); err == nil || errors.Is(err, weir.ErrUnsupported) {
			return fmt.Errorf("get: %w", err)
		}
		for _, key := range []string{strings.Repeat("x", 513), "a\nb", "\xff"} {
			if _, err := s.Put(key, nil, weir.PutOptions{}); err == nil {
				t.Errorf("put %.10q", key)
			}
			if err := s.Delete(key, 0); err == nil {
				t.Errorf("deleted %.10q", key)
			}
		}
		if _, err := s.Put("a", make([]byte, 64<<10+1), weir.PutOptions{}); err == nil {
			t.Error("put a value that is too long")
		}
		_, err := s.Put("a", make([]byte, 64<<10), weir.PutOptions{})
		return err
	})
}

func TestStore_TwoRequestsCountTogether(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		var s weir.Store
		for {
			e, err := s.Get("n")
			if err != nil && !errors.Is(err, weir.ErrNotFound) {
				return nil, err
			}
			_ = weir.Sleep(time.Millisecond)
			o := weir.PutOptions{If: e.Version, IfAbsent: e.Version == 0}
			if _, err = s.Put("n", append(e.Value, 'x'), o); err == nil {
				return next(r)
			} else if !errors.Is(err, weir.ErrConflict) {
				return nil, err
			}
		}
	}))
	var all []*sdktest.Exchange
	for range 20 {
		all = append(all, h.Begin(&sdktest.Request{}))
	}
	for _, x := range all {
		same(t, "status", x.Wait().Status, 200)
	}
	v, _ := h.Stored("", "n")
	same(t, "counted", len(v), 20)
}

func TestStore_ClientLeaves(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_ = weir.Sleep(time.Hour)
		_, got = weir.Store{}.Get("a")
		return nil, got
	}))
	h.Begin(&sdktest.Request{}).Leave()
	if !errors.Is(got, weir.ErrGone) {
		t.Errorf("get: %v", got)
	}
}

func TestPasswords_AreHashedByTheHost(t *testing.T) {
	t.Parallel()
	within(t, nil, func(*weir.Request) error {
		hash, err := weir.HashPassword("open sesame")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(hash, "$argon2id$") {
			t.Errorf("hash: %q", hash)
		}
		ok, renew, err := weir.VerifyPassword(hash, "open sesame")
		if !ok || renew || err != nil {
			t.Errorf("the right one: %v, %v, %v", ok, renew, err)
		}
		ok, _, err = weir.VerifyPassword(hash, "open")
		if ok || err != nil {
			t.Errorf("a wrong one: %v, %v", ok, err)
		}
		// What others have made: argon2's own program.
		other := "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
		if ok, _, err = weir.VerifyPassword(other, "password"); err != nil {
			t.Errorf("of another program: %v, %v", ok, err)
		}
		if _, _, err := weir.VerifyPassword("secret", "secret"); err == nil {
			t.Error("what is no hash was verified")
		}
		return nil
	})
}

func TestSign_ByKeysOfTheHost(t *testing.T) {
	t.Parallel()
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	within(t, func(h *sdktest.Host) {
		h.Key("session", []byte("key"))
		h.Key("token", private)
	}, func(*weir.Request) error {
		// RFC 4231 has none of this key; this one is Wikipedia's.
		message := []byte("The quick brown fox jumps over the lazy dog")
		sum, algorithm, err := weir.Sign("session", message)
		if err != nil {
			return err
		}
		same(t, "algorithm", algorithm, "HS256")
		same(t, "signature", hex.EncodeToString(sum), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")
		ok, err := weir.Verify("session", message, sum)
		same(t, "verify", ok, true)
		same(t, "verify", err, nil)
		ok, _ = weir.Verify("session", message[1:], sum)
		same(t, "verify another message", ok, false)
		sum, algorithm, err = weir.Sign("token", message)
		same(t, "algorithm", algorithm, "EdDSA")
		same(t, "verified", ed25519.Verify(private.Public().(ed25519.PublicKey), message, sum), true)
		ok, _ = weir.Verify("token", message, sum)
		same(t, "verify", ok, true)
		if _, _, err := weir.Sign("other", message); !errors.Is(err, weir.ErrDenied) {
			t.Errorf("a key that is not granted: %v", err)
		}
		if _, err := weir.Verify("other", message, sum); !errors.Is(err, weir.ErrDenied) {
			t.Errorf("a key that is not granted: %v", err)
		}
		return err
	})
}

func TestRandom_IsThereOnEveryHost(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Random(16)
		if err != nil || len(a) != 16 {
			t.Errorf("random: %d bytes, %v", len(a), err)
		}
		b, _ := weir.Random(16)
		if string(a) == string(b) {
			t.Error("the same bytes twice")
		}
		for _, n := range []int{0, -1, 65537} {
			if b, err := weir.Random(n); n == 0 && len(b) > 0 || n != 0 && err == nil {
				t.Errorf("random %d: %d bytes, %v", n, len(b), err)
			}
		}
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) { same(t, "status", h.Get("/").Status, 200) })
}
