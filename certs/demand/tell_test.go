package demand

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuard_SaysNowAndThenWhyNamesAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g, err := New(Options{Allow: []string{"*.example.com"}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for i := range 1000 {
			for _, suffix := range []string{".example.org", ".internal"} {
				if g.Allowed(t.Context(), fmt.Sprintf("n%d%s", i, suffix), netip.MustParseAddr("192.0.2.1")) == nil {
					t.Fatal("allowed")
				}
			}
		}
		if n := strings.Count(log.String(), "refused"); n != 2 || !strings.Contains(log.String(), "reason=denied") || !strings.Contains(log.String(), "reason=name") {
			t.Errorf("%d lines, want one of each reason:\n%s", n, log.String())
		}
		time.Sleep(tellEvery)
		_ = g.Allowed(t.Context(), "late.example.org", netip.MustParseAddr("192.0.2.1"))
		if !strings.Contains(log.String(), "name=late.example.org reason=denied") || !strings.Contains(log.String(), "others=999") {
			t.Errorf("after a while:\n%s", log.String())
		}
	})
}
