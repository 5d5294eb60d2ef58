package services

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

func (r rig) verifies(hash, password string) (right, anew uint64) {
	r.Helper()
	f, _ := r.ask(abi.OK, ext.PasswordVerify, hash, password)
	right, anew = f.Uint(), f.Uint()
	if f.End() != nil {
		r.Fatal(f.End())
	}
	return right, anew
}

func TestPassword_IsVerifiedByItsHash(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{}, Plugin{Space: "p"})
	for _, password := range []string{"", "hunter2", "pässwörd\x00with", strings.Repeat("x", mostPassword)} {
		f, _ := r.ask(abi.OK, ext.PasswordHash, password)
		hash := f.Text()
		if f.End() != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Fatalf("hash %q, %v", hash, f.End())
		}
		if right, anew := r.verifies(hash, password); right != 1 || anew != 0 {
			t.Errorf("%.20q: right %d, anew %d", password, right, anew)
		}
		if right, anew := r.verifies(hash, "."+password[min(1, len(password)):]); right != 0 || anew != 0 {
			t.Errorf("another than %.20q: right %d, anew %d", password, right, anew)
		}
		again, _ := r.ask(abi.OK, ext.PasswordHash, password)
		if again.Text() == hash {
			t.Error("the same salt twice")
		}
	}
}

// The first three are from the tests of the reference implementation of Argon2.
func TestPassword_TakesHashesOfOthers(t *testing.T) {
	t.Parallel()
	old, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Options{}, Plugin{Space: "p"})
	for hash, anew := range map[string]uint64{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": 1, // a short salt
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4":   1,
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc":   1,
		string(old):             1,
		"$2y" + string(old[3:]): 1,
		"$2b" + string(old[3:]): 1,
	} {
		if right, again := r.verifies(hash, "password"); right != 1 || again != anew {
			t.Errorf("%s: right %d, anew %d; want 1, %d", hash, right, again, anew)
		}
		if right, again := r.verifies(hash, "Password"); right != 0 || again != 0 {
			t.Errorf("%s with another: right %d, anew %d", hash, right, again)
		}
	}
}

// OWASP lists these as equal; what is less should be made anew.
func TestPassword_AnewWhereItWasTooLittle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		memory, passes uint32
		want           bool
	}{{47104, 1, false}, {19456, 2, false}, {12288, 3, false}, {9216, 4, false}, {7168, 5, false}, {mostMemory, 1, false}, {19456, 1, true}, {4096, 10, true}} {
		a := argon2id{memory: tt.memory, passes: tt.passes, lanes: 1, salt: make([]byte, saltBytes), sum: make([]byte, sumBytes)}
		if got := a.weak(); got != tt.want {
			t.Errorf("m=%d, t=%d: %v, want %v", tt.memory, tt.passes, got, tt.want)
		}
	}
}

func phc(parameters string, salt, sum int) string {
	b64 := func(n int) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }
	return "$argon2id$v=19$" + parameters + "$" + b64(salt) + "$" + b64(sum)
}

func TestSecurity_W13_HashesThatLieAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{}, Plugin{Space: "p"})
	for _, hash := range []string{
		"", "$", "secret", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1", "$argon2i" + phc("m=8,t=1,p=1", 16, 32)[9:], "$argon2d$v=19$m=8,t=1,p=1$" + "AAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		phc("m=131073,t=1,p=1", 16, 32), phc("m=4294967296,t=1,p=1", 16, 32), phc("m=-1,t=1,p=1", 16, 32), phc("m=7,t=1,p=1", 16, 32), phc("m=08,t=1,p=1", 16, 32),
		phc("m=+8,t=1,p=1", 16, 32), phc("m=8,t=11,p=1", 16, 32), phc("m=8,t=0,p=1", 16, 32), phc("m=8,t=1,p=0", 16, 32), phc("m=256,t=1,p=5", 16, 32), phc("m=8,t=1,p=2", 16, 32),
		phc("t=1,m=8,p=1", 16, 32), phc("m=8,t=1,p=1,x=1", 16, 32), phc("m=8,t=1", 16, 32),
		phc("m=8,t=1,p=1", 7, 32), phc("m=8,t=1,p=1", 65, 32), phc("m=8,t=1,p=1", 16, 15), phc("m=8,t=1,p=1", 16, 65), phc("m=8,t=1,p=1", 16, 400),
		phc("m=8,t=1,p=1", 16, 32) + "=", phc("m=8,t=1,p=1", 16, 32) + "$", strings.Replace(phc("m=8,t=1,p=1", 16, 32), "v=19", "v=16", 1),
		strings.Replace(phc("m=8,t=1,p=1", 16, 32), "AAA", "A!A", 1), phc("m=8,t=1,p=1", 16, 31) + "\n",
		"$2b$31$" + strings.Repeat("a", 53), "$2b$16$" + strings.Repeat("a", 53), "$2b$xx$" + strings.Repeat("a", 53), "$2x$04$" + strings.Repeat("a", 53),
		"$2b$04$" + strings.Repeat("!", 53), "$2b$04$" + strings.Repeat("a", 54), "$2b$04$",
	} {
		began := time.Now()
		_, err := r.ask(abi.BadArgument, ext.PasswordVerify, hash, "password")
		if len(hash) > 12 && strings.Contains(err.Error(), hash) {
			t.Errorf("%q: %v shows it", hash, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q took %v", hash, took)
		}
	}
}

// allTaken takes all turns there are, until release is called.
func allTaken(t *testing.T, turns *turns) (release func()) {
	t.Helper()
	n := turns.free
	for range n {
		if _, err := turns.take(t.Context(), &queue{}); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for range n {
			turns.back()
		}
	}
}

func TestSecurity_W13_WhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := passwordTurns()
		places := s.free
		release := allTaken(t, s)
		var first, second queue
		var mu sync.Mutex
		failed, served := map[*queue]int{}, 0
		wait := func(q *queue) {
			back, err := s.take(t.Context(), q)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[q]++
				return
			}
			served++
			defer back()
		}
		half := s.most / 2
		for _, q := range []*queue{&first, &second} {
			for range half + 8 {
				go wait(q)
			}
			synctest.Wait()
			if failed[q] != 8 {
				t.Errorf("%d of a plugin were refused, want all but %d of %d", failed[q], half, half+8)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone"))
		if _, err := s.take(ctx, &queue{}); err == nil {
			t.Error("one too many waits")
		}
		time.Sleep(s.patience - time.Second)
		release()
		synctest.Wait()
		if served != 2*half || s.waiting != 0 || len(s.lines) != 0 || s.free != places {
			t.Errorf("%d served, %d waiting, %d of %d places free", served, s.waiting, s.free, places)
		}
		defer allTaken(t, s)()
		if _, err := s.take(ctx, &first); err == nil || err.Error() != "gone" {
			t.Errorf("who has gone got %v", err)
		}
		began := time.Now()
		if _, err := s.take(t.Context(), &first); !errors.Is(err, errBusy) || time.Since(began) != s.patience {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// Hashes that take much memory are tried one after the other, and beside those that do not.
func TestSecurity_W13_OneLargeHashAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, Plugin{Space: "p"})
		large := phc("m=65537,t=1,p=1", 16, 32)
		release := allTaken(t, r.back.large)
		_, err := r.ask(abi.InternalFailure, ext.PasswordVerify, large, "password")
		if !errors.Is(err, errBusy) || r.back.passwords.free != passwordTurns().free {
			t.Errorf("got %v, and it takes a turn of the others", err)
		}
		r.verifies(phc("m=65536,t=1,p=1", 16, 32), "password")
		release()
		r.verifies(large, "password")
		if r.back.large.free != 1 {
			t.Error("it keeps its turn")
		}
	})
}

// A plugin that has as much waiting as it may makes another wait for one turn, not for all
// of its own.
func TestSecurity_W13_PluginsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &turns{free: 1, most: 64, patience: time.Minute}
		release := allTaken(t, s)
		var greedy, modest queue
		var order []*queue // one has its turn at a time
		wait := func(q *queue, ctx context.Context) {
			if back, err := s.take(ctx, q); err == nil {
				order = append(order, q)
				back()
			}
		}
		for range 20 {
			go wait(&greedy, t.Context())
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		go wait(&modest, gone)
		synctest.Wait()
		go wait(&modest, t.Context())
		synctest.Wait()
		cancel()
		synctest.Wait()
		release()
		synctest.Wait()
		if len(order) != 21 || order[1] != &modest || s.free != 1 || s.waiting != 0 {
			t.Errorf("%d had their turn, the other's was %d", len(order), slices.Index(order, &modest))
		}
	})
}

func TestSecurity_W13_WhatTakesLongIsLarge(t *testing.T) {
	t.Parallel()
	for hash, want := range map[string]bool{
		phc("m=19456,t=2,p=1", 16, 32): false, phc("m=65536,t=4,p=1", 16, 32): false, phc("m=65536,t=5,p=1", 16, 32): true,
		phc("m=65537,t=1,p=1", 16, 32): true, phc("m=32768,t=9,p=1", 16, 32): true,
		phc("m=19456,t=1,p=4", 16, 32):      processors() < 4,
		"$2b$12$" + strings.Repeat("a", 53): false, "$2b$13$" + strings.Repeat("a", 53): true,
	} {
		if _, large, err := readHash(hash); large != want || err != nil {
			t.Errorf("%.40s: large %v, %v; want %v", hash, large, err, want)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$2b$04$" + strings.Repeat("a", 53))
	f.Fuzz(func(t *testing.T, hash string) {
		if _, large, err := readHash(hash); err != nil && statusOf(err) != abi.BadArgument || err != nil && large {
			t.Errorf("%q: %v", hash, err)
		}
		rest, ok := strings.CutPrefix(hash, argon2idBegins)
		if !ok {
			return
		}
		a, err := parseArgon2id(rest)
		if err != nil {
			return
		}
		if a.String() != hash {
			t.Errorf("%q became %q", hash, a.String())
		}
		if a.memory > mostMemory || a.passes > mostPasses || a.lanes > mostLanes || len(a.salt) > 64 || len(a.sum) > 64 {
			t.Errorf("%q is too much: %+v", hash, a)
		}
	})
}
