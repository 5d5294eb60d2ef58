package storetest

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// Benchmark measures what a store on e costs, which it closes.
func Benchmark(b *testing.B, e store.Engine) {
	ctx := context.Background()
	s := store.New(e, store.Options{Deadline: 20 * time.Second})
	b.Cleanup(func() { s.Close() })
	value := make([]byte, 1024)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Get/1KB", func(b *testing.B) {
		_, err := s.Put(ctx, "get", value, 0)
		must(err)
		b.ReportAllocs()
		for b.Loop() {
			_, err := s.Get(ctx, "get")
			must(err)
		}
	})
	b.Run("Commit/1key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := s.Put(ctx, "commit", value, 0)
			must(err)
		}
	})
	for name, quiet := range map[string]bool{"Commit/1keyBy16": false, "Commit/1keyBy16Quiet": true} {
		b.Run(name, func(b *testing.B) {
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(8) // on two processors
			b.RunParallel(func(pb *testing.PB) {
				op := store.Op{Key: "commit/" + strconv.FormatInt(n.Add(1), 10), Value: value, Quiet: quiet}
				for pb.Next() {
					if _, err := s.Commit(ctx, store.Batch{Ops: []store.Op{op}}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
	b.Run("CompareAndSwap", func(b *testing.B) {
		version, err := s.Put(ctx, "cas", value, 0)
		must(err)
		b.ReportAllocs()
		for b.Loop() {
			version, err = s.CompareAndSwap(ctx, "cas", version, value, 0)
			must(err)
		}
	})
	b.Run("LockUnlock", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l, err := s.Lock(ctx, "lock")
			must(err)
			must(l.Unlock(ctx))
		}
	})
	b.Run("FencedCommit", func(b *testing.B) {
		l, err := s.Lock(ctx, "fenced")
		must(err)
		held := l.Lease()
		b.ReportAllocs()
		for b.Loop() {
			_, err := s.Commit(ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "fenced", Value: value}}})
			must(err)
		}
		must(l.Unlock(ctx))
	})
	b.Run("List/100of1KB", func(b *testing.B) {
		for i := range 100 {
			_, err := s.Put(ctx, "list/"+strconv.Itoa(i), value, 0)
			must(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			all, err := s.List(ctx, "list/", "", 1000)
			if must(err); len(all) != 100 {
				b.Fatalf("%d entries", len(all))
			}
		}
	})
}
