package trial

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	"github.com/weirproxy/weir/wasmhost/services"
)

func TestPantry_KeepsWhatAStoreKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ctx := new(pantry), context.Background()
		p.clear()
		put := func(key string, ttl time.Duration, wanted uint64, fails error) (version uint64) {
			t.Helper()
			version, err := p.Put(ctx, key, []byte("v"+key), ttl, wanted)
			if !errors.Is(err, fails) {
				t.Errorf("put %s: %v, want %v", key, err, fails)
			}
			return version
		}
		first := put("a", 0, ext.Absent, nil)
		put("a", 0, ext.Absent, services.ErrChanged)
		put("a", 0, first+1, services.ErrChanged)
		second := put("a", time.Second, first, nil)
		put("a", 0, first, services.ErrChanged)
		put("b", 0, 1, services.ErrChanged)
		put("b", 0, ext.Any, nil)
		put("c", 0, ext.Any, nil)
		if e, err := p.Get(ctx, "a"); err != nil || string(e.Value) != "va" || e.Version != second || e.Key != "a" {
			t.Errorf("get: %+v, %v", e, err)
		}
		list := func(prefix, after string, most int) string {
			var keys []string
			for e, err := range p.List(ctx, prefix, after, most) {
				if keys = append(keys, e.Key); err != nil {
					t.Error(err)
				}
			}
			return strings.Join(keys, " ")
		}
		if got := list("", "", 2) + "; " + list("", "a", 9) + "; " + list("b", "", 9); got != "a b; b c; b" {
			t.Errorf("lists: %s", got)
		}
		time.Sleep(time.Second)
		if _, err := p.Get(ctx, "a"); !errors.Is(err, services.ErrNotFound) {
			t.Errorf("an entry that has died: %v", err)
		}
		put("a", 0, second, services.ErrChanged)
		third := put("a", 0, ext.Absent, nil)
		if err := p.Delete(ctx, "a", second); !errors.Is(err, services.ErrChanged) {
			t.Errorf("delete of another version: %v", err)
		}
		for range 2 {
			if err := p.Delete(ctx, "a", third); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
		one, _ := p.Secret(ctx, "one")
		again, _ := p.Secret(ctx, "one")
		if other, _ := p.Secret(ctx, "other"); len(one) != 32 || string(one) != string(again) || string(other) == string(one) {
			t.Error("secrets are not kept, or all the same")
		}
		p.clear()
		if got := list("", "", 9); got != "" {
			t.Errorf("cleared, it has %s", got)
		}
	})
}
