package store_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// unwatchable is an engine that is not reached; nothing but its watch is asked for.
type unwatchable struct{ store.Engine }

func (unwatchable) Watch(context.Context, string, func(string)) error {
	return errors.New("connection refused")
}

func (unwatchable) Close() error { return nil }

func TestWatch_SaysSeldomThatItDoesNotComeAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := store.New(unwatchable{}, store.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour-time.Second)
		defer cancel()
		s.Watch(ctx, "k", func(string) { t.Error("called") })
		if n := strings.Count(log.String(), "watch of the store interrupted"); n < 5 || n > 6 {
			t.Errorf("%d lines in an hour, want one in ten minutes:\n%s", n, log.String())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
