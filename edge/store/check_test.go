package store_test

import (
	"context"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/sqlite"
)

// shifted is a store whose clock is not this machine's.
type shifted struct {
	store.Engine
	by time.Duration
}

func (s shifted) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Engine.Now(ctx)
	return now.Add(s.by), err
}

// TestCheck_SaysHowFarClocksAreApart: where that is no more than reading takes, nobody can
// say whose is ahead.
func TestCheck_SaysHowFarClocksAreApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by   time.Duration
		want string
		is   store.Level
	}{
		{-time.Microsecond, `^the store's clock differs from this machine's by [0-9.]+m?s at most$`, store.Fine},
		{time.Microsecond, `^the store's clock differs from this machine's by [0-9.]+m?s at most$`, store.Fine},
		{-time.Hour, `^the store's clock is (59m|1h0m)[0-9.]+s behind this machine's; .*NTP$`, store.Warning},
		{time.Hour, `^the store's clock is (59m|1h0m)[0-9.]+s ahead of this machine's; .*NTP$`, store.Warning},
	} {
		e, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "weir.db")})
		if err != nil {
			t.Fatal(err)
		}
		s := store.New(shifted{e, c.by}, store.Options{Deadline: 20 * time.Second})
		t.Cleanup(func() { s.Close() })
		r, err := s.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last := r.Findings[len(r.Findings)-1]
		if !regexp.MustCompile(c.want).MatchString(last.Text) || last.Level != c.is {
			t.Errorf("by %v: %v %q, want %v %s", c.by, last.Level, last.Text, c.is, c.want)
		}
	}
}
