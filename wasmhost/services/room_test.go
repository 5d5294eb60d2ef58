package services

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// kept is a store in memory, without versions and time.
type kept struct {
	mu    sync.Mutex
	all   map[string]string
	lists int
	takes time.Duration // a list
}

func (k *kept) Get(_ context.Context, key string) (Entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.all[key]
	if !ok {
		return Entry{}, ErrNotFound
	}
	return Entry{Key: key, Value: []byte(v), Version: 1}, nil
}

func (k *kept) Put(_ context.Context, key string, value []byte, _ time.Duration, _ uint64) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[string]string{}
	}
	k.all[key] = string(value)
	return 1, nil
}

func (k *kept) Delete(_ context.Context, key string, _ uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.all, key)
	return nil
}

func (k *kept) List(_ context.Context, prefix, after string, most int) iter.Seq2[Entry, error] {
	time.Sleep(k.takes) // of a bubble's clock
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lists++
	var found []Entry
	for key, v := range k.all {
		if strings.HasPrefix(key, prefix) && key > after {
			found = append(found, Entry{Key: key, Value: []byte(v)})
		}
	}
	slices.SortFunc(found, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	found = found[:min(len(found), most)]
	return func(yield func(Entry, error) bool) {
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// size is what keys and values below prefix take.
func (k *kept) size(prefix string) (n int) {
	for key, v := range k.all {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			n += len(rest) + len(v)
		}
	}
	return n
}

// put writes to a space of the plugin's, and expects a status.
func (r rig) put(want abi.Status, space, key string, size int) {
	r.Helper()
	r.ask(want, ext.StorePut, space, key, strings.Repeat("x", size), 0, uint64(ext.Any))
}

func TestSecurity_W14_APartIsFull(t *testing.T) {
	t.Parallel()
	k := &kept{}
	r := newRig(t, Options{Store: k}, Plugin{Space: "p", Store: []string{"other"}, Room: 10_000})
	for i := range 9 {
		r.put(abi.OK, "", fmt.Sprint("key-", i), 1000)
	}
	_, err := r.ask(ext.Denied, ext.StorePut, "", "one-more", strings.Repeat("x", 1000), 0, uint64(ext.Any))
	if !strings.Contains(err.Error(), "limits.store") || !strings.Contains(err.Error(), "10000 bytes") {
		t.Errorf("it says %v", err)
	}
	r.put(ext.Denied, "", "larger than all", 10_001)
	r.put(abi.OK, "other", "key", 1000) // has a limit of its own
	if n := k.size("guests/p/"); n > 10_000 {
		t.Errorf("it holds %d bytes", n)
	}
}

func TestRoom_ThereIsAgainWhenSomethingHasGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{takes: 50 * time.Millisecond}
		r := newRig(t, Options{Store: k}, Plugin{Space: "p", Room: 10_000})
		for i := range 9 {
			r.put(abi.OK, "", fmt.Sprint("key-", i), 1000)
		}
		r.put(ext.Denied, "", "one-more", 1000)
		before := k.lists
		for range 100 { // does not keep the store busy
			r.put(ext.Denied, "", "one-more", 1000)
		}
		if k.lists != before {
			t.Errorf("counted %d times for what was refused a moment ago", k.lists-before)
		}
		r.ask(abi.OK, ext.StoreDelete, "", "key-0", uint64(ext.Any))
		time.Sleep(3 * time.Second)
		r.put(abi.OK, "", "one-more", 1000)
	})
}

// TestRoom_WhatTakesThePlaceOfSomething is not more, and seldom counted.
func TestRoom_WhatTakesThePlaceOfSomething(t *testing.T) {
	t.Parallel()
	k := &kept{}
	r := newRig(t, Options{Store: k}, Plugin{Space: "p", Room: 100_000})
	for range 1200 {
		r.put(abi.OK, "", "key", 1000)
	}
	if k.lists < 100 || k.lists > 300 { // two each, the second of which finds nothing
		t.Errorf("listed %d times, want twice for each 12,500 bytes", k.lists)
	}
}

// TestRoom_OfSeveralNodes: each counts what the others have written.
func TestRoom_OfSeveralNodes(t *testing.T) {
	t.Parallel()
	k := &kept{}
	var nodes []rig
	for range 3 {
		nodes = append(nodes, newRig(t, Options{Store: k}, Plugin{Space: "p", Room: 100_000}))
	}
	var all sync.WaitGroup
	for i, r := range nodes {
		for j := range 8 {
			all.Go(func() {
				for n := range 100 {
					_, st, _ := r.Call(t.Context(), ext.StorePut, fields("", fmt.Sprint(i, j, n), strings.Repeat("x", 100), 0, uint64(ext.Any)))
					if st != abi.OK && st != ext.Denied {
						t.Errorf("status %d", st)
					}
				}
			})
		}
	}
	all.Wait()
	if n := k.size("guests/p/"); n < 90_000 || n > 140_000 {
		t.Errorf("it holds %d bytes", n)
	}
}
