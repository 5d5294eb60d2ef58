package services

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// keeper keeps secrets for tests.
type keeper struct {
	secret []byte
	err    error
	asked  []string
}

func (k *keeper) Secret(_ context.Context, name string) ([]byte, error) {
	k.asked = append(k.asked, name)
	return k.secret, k.err
}

func TestSign_IsWhatOthersCallIt(t *testing.T) {
	t.Parallel()
	secret, seed := []byte(strings.Repeat("s", 32)), []byte(strings.Repeat("e", 32))
	r := newRig(t, Options{Secrets: &keeper{secret: secret}}, Plugin{Space: "p", Keys: []Key{{Name: "hmac", Secret: secret}, {Name: "ed", Seed: seed}, {Name: "auto"}}})
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("message"))
	for name, want := range map[string][2]string{
		"hmac": {string(h.Sum(nil)), "HS256"},
		"auto": {string(h.Sum(nil)), "HS256"},
		"ed":   {string(ed25519.Sign(ed25519.NewKeyFromSeed(seed), []byte("message"))), "EdDSA"},
	} {
		f, _ := r.ask(abi.OK, ext.Sign, name, "message")
		if signature, algorithm := f.Text(), f.Text(); signature != want[0] || algorithm != want[1] || f.End() != nil {
			t.Errorf("%s: got %x, %s, %v; want %x", name, signature, algorithm, f.End(), want)
		}
		for _, tt := range []struct {
			message, signature string
			want               uint64
		}{
			{"message", want[0], 1},
			{"Message", want[0], 0},
			{"message", "", 0},
			{"message", want[0][1:], 0},
			{"message", want[0] + "x", 0},
			{"message", "\x00" + want[0][1:], 0},
		} {
			f, _ := r.ask(abi.OK, ext.Verify, name, tt.message, tt.signature)
			if got := f.Uint(); got != tt.want || f.End() != nil {
				t.Errorf("%s: verify(%q, %x): got %d, %v", name, tt.message, tt.signature, got, f.End())
			}
		}
	}
}

func TestOf_RefusesKeysThatAreNone(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat("s", 32))
	for name, k := range map[string]Key{
		"a short secret": {Secret: long[:31]}, "both": {Secret: long, Seed: long}, "a short seed": {Seed: long[:31]}, "a long seed": {Seed: append(long, 's')},
	} {
		k.Name = "k"
		if _, err := New(Options{}).Of(Plugin{Keys: []Key{k}}); err == nil || strings.Contains(err.Error(), "ss") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key that weir makes is asked for now and then, and used on while nobody answers.
func TestSign_HearsOfANewSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{err: errors.New("no answer")}
		r := newRig(t, Options{Secrets: k}, Plugin{Space: "a/b", Keys: []Key{{Name: "session"}}})
		r.ask(abi.InternalFailure, ext.Sign, "session", "m")
		signature := func() string {
			f, _ := r.ask(abi.OK, ext.Sign, "session", "m")
			return f.Text()
		}
		k.secret, k.err = []byte(strings.Repeat("1", 32)), nil
		first := signature()
		k.secret = []byte(strings.Repeat("2", 32))
		time.Sleep(askAgain - time.Second)
		if signature() != first || len(k.asked) != 2 || k.asked[0] != "a%2fb/session" {
			t.Errorf("asked for %q", k.asked)
		}
		time.Sleep(time.Second)
		k.err = errors.New("no answer")
		for range 2 {
			if signature() != first || len(k.asked) != 3 {
				t.Errorf("asked for %q", k.asked)
			}
		}
		time.Sleep(askAgain)
		k.err = nil
		if signature() == first {
			t.Error("the old secret is used on")
		}
	})
}
