//go:build unix

package postgres_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/postgres"
	"github.com/weirproxy/weir/edge/store/storetest"
)

func open(t testing.TB, o postgres.Options) store.Engine {
	t.Helper()
	e, err := postgres.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSuite(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) storetest.Handles {
		prefix := "suite" + strconv.Itoa(int(n.Add(1))) + "_"
		return func() store.Engine { return open(t, postgres.Options{URL: server.URL, Prefix: prefix}) }
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	storetest.RunFaults(t, storetest.Remote{Server: server, Addr: server.Addr, Open: func(addr, name string) store.Engine {
		return open(t, postgres.Options{
			URL:    strings.Replace(server.URL, server.Addr, addr, 1),
			Prefix: strings.ToLower(name[:min(len(name), 30)]) + "_", Silence: 300 * time.Millisecond,
		})
	}})
}

func TestFrozenHolderCannotWrite(t *testing.T) {
	t.Parallel()
	storetest.FrozenHolder(t, func() string { return storetest.StartPostgres(t).URL }, func(t testing.TB, url string) store.Engine {
		return open(t, postgres.Options{URL: url})
	})
}

func BenchmarkPostgres(b *testing.B) {
	storetest.Benchmark(b, open(b, postgres.Options{URL: storetest.StartPostgres(b).URL}))
}
