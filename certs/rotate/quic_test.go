package rotate

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

func TestQUICKeys_AreTheSameForAllForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store certstest.MemoryStore
		type pair struct{ reset, token [32]byte }
		got := make([]pair, 8)
		// All find that there is none before the first one makes it.
		first, err := store.Node().TryLock(t.Context(), "secret/quic")
		if err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		for i := range got {
			done.Go(func() {
				var err error
				if got[i].reset, got[i].token, err = QUICKeys(t.Context(), store.Node(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := first.Unlock(t.Context()); err != nil {
			t.Fatal(err)
		}
		done.Wait()
		for _, p := range got {
			if p != got[0] || p.reset == p.token || p.reset == [32]byte{} {
				t.Errorf("nodes have %x and %x", p, got[0])
			}
		}
		if n := store.Calls("put"); n != 1 || store.Held("secret/quic") {
			t.Errorf("%d writes, lock held: %v", n, store.Held("secret/quic"))
		}
	})
}

func TestQUICKeys_OfADamagedAMissingAndANewerSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		record string
		want   error
	}{
		{"junk", nil},
		{`{"version":1,"secret":"AAAA"}`, nil},
		{`{"version":2}`, storage.ErrNewer},
		{"\x00weir sealed", storage.ErrSealed},
	} {
		var store certstest.MemoryStore
		node := store.Node()
		if err := node.Put(t.Context(), "secret/quic", []byte(tt.record), 0); err != nil {
			t.Fatal(err)
		}
		var log lines
		reset, _, err := QUICKeys(t.Context(), node, slog.New(slog.NewTextHandler(&log, nil)))
		if !errors.Is(err, tt.want) || (tt.want == nil) != (reset != [32]byte{}) {
			t.Errorf("%q: %x, %v; want %v", tt.record, reset, err, tt.want)
		}
		if alarm := log.count("level=ERROR"); (alarm == 1) != (tt.want == nil) {
			t.Errorf("%q: %d alarms", tt.record, alarm)
		}
		again, _, _ := QUICKeys(t.Context(), node, nil)
		if again != reset {
			t.Errorf("%q: then %x, now %x", tt.record, reset, again)
		}
		if got := string(store.Snapshot()["secret/quic"]); tt.want != nil && got != tt.record {
			t.Errorf("%q became %q", tt.record, got)
		}
	}
	node := new(certstest.MemoryStore).Node()
	node.Down()
	if _, _, err := QUICKeys(t.Context(), node, nil); !errors.Is(err, certstest.ErrDown) {
		t.Errorf("store down: %v", err)
	}
	node.Up()
	node.FailWrite(2)
	if reset, _, err := QUICKeys(t.Context(), node, nil); !errors.Is(err, certstest.ErrKilled) || reset != [32]byte{} {
		t.Errorf("not written: %x, %v", reset, err)
	}
}

func FuzzDecodeQUIC(f *testing.F) {
	f.Add([]byte(`{"version":1,"secret":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeQUIC(b); (err == nil) != (len(s) == 32) {
			t.Errorf("%q: %x, %v", b, s, err)
		}
	})
}
