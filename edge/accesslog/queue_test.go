package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// tape is a writer that can be held and broken. It is used in one bubble.
type tape struct {
	mu     sync.Mutex
	writes []string
	hold   chan struct{} // if not nil, writes wait until it is closed
	err    error
}

func (w *tape) Write(p []byte) (int, error) {
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		<-hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	w.writes = append(w.writes, string(p))
	return len(p), nil
}

func (w *tape) set(hold chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold, w.err = hold, err
}

func (w *tape) lines() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(strings.Join(w.writes, ""), "\n")
}

func open(t *testing.T, o Options) *Log {
	t.Helper()
	if o.Format == "" {
		o.Format = JSON
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLinesAreWrittenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := new(tape)
		l := open(t, Options{Writer: w})
		r := ordinary()
		for range 20 {
			l.Observe(r)
		}
		synctest.Wait()
		if n := w.lines(); n != 0 {
			t.Errorf("at once: got %d lines written, want them to wait", n)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if len(w.writes) != 1 || w.lines() != 20 {
			t.Errorf("after 50 ms: got %d lines in %d writes, want 20 in 1", w.lines(), len(w.writes))
		}
		for w.lines() == 20 { // enough lines do not wait
			l.Observe(r)
			synctest.Wait()
		}
		if n := len(w.writes[1]); n < hurryBatch || n > 2*hurryBatch {
			t.Errorf("got %d bytes in the second write, want about %d", n, hurryBatch)
		}
		l.Close()
	})
}

func TestConsoleDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := new(tape)
		l := open(t, Options{Writer: w, Format: Console})
		l.Observe(ordinary())
		synctest.Wait()
		if n := w.lines(); n != 1 {
			t.Errorf("at once: got %d lines, want 1", n)
		}
		l.Close()
	})
}

func TestCloseFlushes(t *testing.T) {
	t.Parallel()
	w := new(tape)
	l := open(t, Options{Writer: w})
	for range 100 {
		l.Observe(ordinary())
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if n := w.lines(); n != 100 {
		t.Errorf("got %d lines, want 100", n)
	}
	l.Observe(ordinary())
	if got := l.Dropped(); got != 1 {
		t.Errorf("observed after Close: got %d lost, want 1", got)
	}
	if err := l.Reopen(); !errors.Is(err, errClosed) {
		t.Errorf("reopen after Close: got %v, want %v", err, errClosed)
	}
}

func TestStalledOutputDropsLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, notices := new(tape), new(tape)
		release := make(chan struct{})
		w.set(release, nil)
		l := open(t, Options{Writer: w, Log: slog.New(slog.NewTextHandler(notices, nil))})
		r := ordinary()
		l.Observe(r)
		time.Sleep(time.Second) // the writer is stuck with that line
		observed := uint64(1)
		began := time.Now()
		for l.Dropped() < 10 {
			l.Observe(r)
			observed++
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("observing took %v of the bubble's time, want 0", d)
		}
		if err := l.Reopen(); !errors.Is(err, errStalled) {
			t.Errorf("reopen: got %v, want %v", err, errStalled)
		}
		if n := notices.lines(); n != 0 {
			t.Errorf("while stalled: got %d notices, want 0", n)
		}
		w.set(nil, nil)
		close(release)
		time.Sleep(time.Second)
		if got, want := uint64(w.lines()), observed-10; got != want {
			t.Errorf("after the stall: got %d lines, want %d", got, want)
		}
		if got := strings.Join(notices.writes, ""); !strings.Contains(got, "lines=10 total=10") {
			t.Errorf("notices: got %q, want one of 10 lost lines", got)
		}
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestCloseGivesUpOnAStalledOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := new(tape)
		release := make(chan struct{})
		w.set(release, nil)
		l := open(t, Options{Writer: w})
		l.Observe(ordinary())
		began := time.Now()
		if err := l.Close(); !errors.Is(err, errStalled) {
			t.Errorf("close: got %v, want %v", err, errStalled)
		}
		if d := time.Since(began); d != patience {
			t.Errorf("close took %v, want %v", d, patience)
		}
		close(release)
	})
}

func TestFailedWritesAreCountedAndTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, notices := new(tape), new(tape)
		w.set(nil, errors.New("disk full"))
		l := open(t, Options{Writer: w, Log: slog.New(slog.NewTextHandler(notices, nil))})
		for range 5 {
			l.Observe(ordinary())
			time.Sleep(time.Second)
		}
		if got := l.Dropped(); got != 5 {
			t.Errorf("lost: got %d, want 5", got)
		}
		w.set(nil, nil)
		l.Observe(ordinary())
		time.Sleep(time.Second)
		l.Close()
		got := strings.Join(notices.writes, "")
		if n := strings.Count(got, "disk full"); n != 1 {
			t.Errorf("got %d notices of the cause, want 1:\n%s", n, got)
		}
		if !strings.Contains(got, "total=5") || w.lines() != 1 {
			t.Errorf("got %d lines and notices\n%s\nwant 1 line and a total of 5 lost", w.lines(), got)
		}
	})
}

func TestHammer(t *testing.T) {
	t.Parallel()
	w := new(tape)
	l := open(t, Options{Writer: w})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := finished(exchangetest.NewRequest("GET", fmt.Sprintf("/%d", g)))
			for range 200 {
				l.Observe(r)
			}
		})
	}
	wg.Wait()
	l.Close()
	if got := uint64(w.lines()) + l.Dropped(); got != 1600 {
		t.Errorf("got %d lines, written or counted as lost, want 1600", got)
	}
	for line := range strings.Lines(strings.Join(w.writes, "")) {
		if !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("got a torn line %q", line)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	busy := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(busy, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{Format: "xml", Writer: new(tape)},
		{Writer: new(tape)},
		{Format: JSON},
		{Format: JSON, File: filepath.Join(busy, "below", "log")},
		{Format: JSON, File: t.TempDir()},
		{Format: JSON, File: filepath.Join(t.TempDir(), "log"), Rotate: Rotate{Keep: -1}},
	} {
		if l, err := New(o); err == nil {
			l.Close()
			t.Errorf("New(%+v): got no error", o)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReopen(t *testing.T) {
	t.Parallel()
	for _, rotate := range []Rotate{{}, {Size: 1 << 20}} {
		t.Run(fmt.Sprint(rotate.Size), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "made", "access.log")
			l := open(t, Options{File: path, Format: CLF, Rotate: rotate})
			l.Observe(ordinary())
			if err := l.Reopen(); err != nil { // also when nobody moved it
				t.Fatal(err)
			}
			waitFor(t, func() bool { return strings.Contains(read(t, path), "GET") })
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if err := l.Reopen(); err != nil {
				t.Fatal(err)
			}
			l.Observe(failed())
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if old := read(t, path+".1"); !strings.Contains(old, "GET") || strings.Contains(old, "DELETE") {
				t.Errorf("old file: got %q, want the GET alone", old)
			}
			if now := read(t, path); strings.Contains(now, "GET") || !strings.Contains(now, "DELETE") {
				t.Errorf("new file: got %q, want the DELETE alone", now)
			}
		})
	}
}

func TestFailedReopenKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	l := open(t, Options{File: filepath.Join(dir, "access.log"), Format: CLF})
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("reopen without the folder: got no error")
	}
	l.Observe(ordinary())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir+".old", "access.log")); !strings.Contains(got, "GET") {
		t.Errorf("old file: got %q, want the line", got)
	}
}

// waitFor polls for what the file system does not signal.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited ten seconds")
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	if err := os.WriteFile(path, bytes.Repeat([]byte("old\n"), 100), 0o640); err != nil {
		t.Fatal(err)
	}
	out, err := openSink(Options{File: path, Rotate: Rotate{Size: 1000, Keep: 3}})
	if err != nil {
		t.Fatal(err)
	}
	line := bytes.Repeat([]byte("x"), 300)
	line[299] = '\n'
	for i := range 11 { // 400 + 2 × 300; then 3 × 300 each
		if err := out.write(line); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "access*.log"))
	if err != nil || len(files) != 4 {
		t.Errorf("got files %v, error %v; want the log and 3 old ones", files, err)
	}
	for _, f := range files {
		if n := len(read(t, f)); n > 1000 || n%100 != 0 {
			t.Errorf("%s: got %d bytes, want whole lines, at most 1000 bytes", f, n)
		}
	}
}

func TestRotatedFilesAreCompressed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := openSink(Options{File: filepath.Join(dir, "a.log"), Rotate: Rotate{Size: 100, Compress: true}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := out.write(bytes.Repeat([]byte("line\n"), 20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.gz")); len(files) != 1 {
		t.Errorf("got %v, want one compressed file", files)
	}
}
