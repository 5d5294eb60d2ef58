//go:build unix

package redis_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/redis"
	"github.com/weirproxy/weir/edge/store/storetest"
)

func open(t testing.TB, o redis.Options) store.Engine {
	t.Helper()
	e, err := redis.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSuite(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) storetest.Handles {
		prefix := "suite" + strconv.Itoa(int(n.Add(1)))
		return func() store.Engine { return open(t, redis.Options{URL: server.URL, Prefix: prefix}) }
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	storetest.RunFaults(t, storetest.Remote{Server: server, Addr: server.Addr, Open: func(addr, name string) store.Engine {
		return open(t, redis.Options{URL: "redis://" + addr, Prefix: name, Silence: 300 * time.Millisecond})
	}})
}

func TestFrozenHolderCannotWrite(t *testing.T) {
	t.Parallel()
	storetest.FrozenHolder(t, func() string { return storetest.StartRedis(t).URL }, func(t testing.TB, url string) store.Engine {
		return open(t, redis.Options{URL: url})
	})
}

func BenchmarkRedis(b *testing.B) {
	storetest.Benchmark(b, open(b, redis.Options{URL: storetest.StartRedis(b).URL}))
}
