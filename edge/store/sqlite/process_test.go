//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/storetest"
)

// count adds 1 to the counter, and writes the same to a second key, until that works.
func count(ctx context.Context, s *store.Store) (int, error) {
	for {
		e, err := s.Get(ctx, "n")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
		n, _ := strconv.Atoi(string(e.Value))
		value := []byte(strconv.Itoa(n + 1))
		_, err = s.Commit(ctx, store.Batch{Ops: []store.Op{
			{Key: "n", Value: value, If: store.Condition{Absent: e.Version == 0, Version: e.Version}}, {Key: "m", Value: value},
		}})
		if err == nil {
			return n + 1, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return 0, err
		}
	}
}

func patient(t testing.TB, path string) *store.Store {
	t.Helper()
	s := store.New(open(t, path), store.Options{Deadline: 20 * time.Second})
	t.Cleanup(func() { s.Close() })
	return s
}

// What was acknowledged before SIGKILL is there, nothing is half there, and the next
// process goes on at once.
func TestKilledWriterLosesNothing(t *testing.T) {
	t.Parallel()
	if path, ok := storetest.Child(); ok {
		s := patient(t, path)
		for {
			n, err := count(t.Context(), s)
			if err != nil {
				fmt.Println("error", err)
				return
			}
			fmt.Println("wrote", n)
		}
	}
	path := filepath.Join(t.TempDir(), "weir.db")
	last := 0
	for round := range 5 {
		child := storetest.Spawn(t, path)
		seen := 0
		for range 20 + round {
			seen, _ = strconv.Atoi(child.Hear("wrote"))
		}
		child.Signal(syscall.SIGKILL)
		s := patient(t, path)
		n, err := s.Get(t.Context(), "n")
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Get(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		if string(n.Value) != string(m.Value) {
			t.Errorf("half a batch: %s and %s", n.Value, m.Value)
		}
		got, _ := strconv.Atoi(string(n.Value))
		if got < seen || seen <= last {
			t.Errorf("round %d: %d is there, %d was acknowledged, and %d before", round, got, seen, last)
		}
		last = got
		if r, err := s.Check(t.Context()); err != nil || r.Worst() == store.Wrong {
			t.Errorf("check: %+v, %v", r, err)
		}
	}
}

// Two processes hammer one counter: it counts exactly, and both get their share.
func TestTwoProcessesCountTogether(t *testing.T) {
	t.Parallel()
	const each = 150
	if path, ok := storetest.Child(); ok {
		s := patient(t, path)
		fmt.Println("ready")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		for range each {
			if _, err := count(t.Context(), s); err != nil {
				fmt.Println("done", err)
				return
			}
		}
		fmt.Println("done")
		return
	}
	path := filepath.Join(t.TempDir(), "weir.db")
	s := patient(t, path)
	child := storetest.Spawn(t, path)
	child.Hear("ready")
	child.Tell("go")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range each / 2 {
				if _, err := count(t.Context(), s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := child.Hear("done"); got != "" {
		t.Errorf("the other process: %s", got)
	}
	e, err := s.Get(t.Context(), "n")
	if err != nil || string(e.Value) != strconv.Itoa(2*each) {
		t.Errorf("counted %s, %v; want %d", e.Value, err, 2*each)
	}
}

// Many processes that start at once on nothing make one store.
func TestStartAtTheSameTimeMakesOneStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	path := filepath.Join(dir, "weir.db")
	if at, ok := storetest.Child(); ok {
		fmt.Println("ready")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		_, err := count(t.Context(), patient(t, at))
		fmt.Println("done", err)
		return
	}
	var children []*storetest.Process
	for range 4 {
		children = append(children, storetest.Spawn(t, path))
	}
	for _, c := range children {
		c.Hear("ready")
	}
	for _, c := range children {
		c.Tell("go")
	}
	for _, c := range children {
		if got := c.Hear("done"); got != "<nil>" {
			t.Errorf("a process: %s", got)
		}
	}
	e, err := patient(t, path).Get(t.Context(), "n")
	if err != nil || string(e.Value) != "4" {
		t.Errorf("counted %s, %v; want 4", e.Value, err)
	}
	left, err := filepath.Glob(path + ".new*")
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// Another process sits in a write transaction: writers end at their deadline, readers
// are not kept, and all goes on when it ends.
func TestAnotherTransactionIsNotWaitedForBeyondTheDeadline(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weir.db")
	s := store.New(open(t, path), store.Options{Deadline: 700 * time.Millisecond})
	defer s.Close()
	if _, err := s.Put(t.Context(), "k", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			began := time.Now()
			_, err := s.Put(t.Context(), "k", []byte("2"), 0)
			if took := time.Since(began); !errors.Is(err, store.ErrUnavailable) || took > 5*time.Second {
				t.Errorf("write after %v: %v", took, err)
			}
		})
	}
	for range 10 {
		if e, err := s.Get(t.Context(), "k"); err != nil || string(e.Value) != "1" {
			t.Errorf("read: %q, %v", e.Value, err)
		}
	}
	wg.Wait()
	if st := s.Stats(); st.Hanging != 0 || !st.Open {
		t.Errorf("%+v: want that nothing hangs, and writes are not tried for a while", st)
	}
	for range 10 {
		if _, err := s.Get(t.Context(), "k"); err != nil {
			t.Errorf("read while writes are not tried: %v", err)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "writes work again", func() bool {
		_, err := s.Put(t.Context(), "k", []byte("3"), 0)
		return err == nil
	})
	if e, err := s.Get(t.Context(), "k"); err != nil || string(e.Value) != "3" {
		t.Errorf("%q, %v; want that no given up write came later", e.Value, err)
	}
}
