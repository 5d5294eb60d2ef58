package cgi

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// folder is a Directory whose programs answer with what they are made of, and count.
type folder struct {
	*Directory
	root           string
	opened, closed atomic.Int64
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{root: t.TempDir()}
	d, err := NewDirectory(DirectoryOptions{Root: f.root, Dirs: []string{"/cgi-bin", "/htbin/"}, Open: f.open})
	if err != nil {
		t.Fatal(err)
	}
	f.Directory = d
	t.Cleanup(func() {
		d.Close()
		if f.opened.Load() != f.closed.Load() {
			t.Errorf("%d programs opened, %d closed", f.opened.Load(), f.closed.Load())
		}
	})
	return f
}

func (f *folder) open(ctx context.Context, name string, code []byte) (exchange.Handler, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if string(code) == "broken" {
		return nil, nil, errors.New("it is broken")
	}
	f.opened.Add(1)
	var once sync.Once
	return exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		script, info := split(r)
		resp := r.NewResponse(200)
		resp.SetBytes([]byte(string(code) + " " + script + " " + info + " " + r.Query))
		return resp, nil
	}), func() { once.Do(func() { f.closed.Add(1) }) }, nil
}

func (f *folder) write(t *testing.T, name, text string, at time.Time) {
	t.Helper()
	path := filepath.Join(f.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, at, at)); err != nil {
		t.Fatal(err)
	}
}

func (f *folder) ask(t *testing.T, method, target string) *exchangetest.Result {
	t.Helper()
	files := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.SetBytes([]byte("file"))
		return resp, nil
	})
	r := exchangetest.NewRequest(method, target)
	return exchangetest.Do(t, exchange.Chain(files, f), r)
}

func TestDirectory_FindsPrograms(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	now := time.Now()
	f.write(t, "cgi-bin/a.wasm", "A", now)
	f.write(t, "cgi-bin/sub/b.wasm", "B", now)
	f.write(t, "cgi-bin/.secret.wasm", "S", now)
	f.write(t, "cgi-bin/script.py", "source", now)
	f.write(t, "htbin/c.wasm", "C", now)
	f.write(t, "other/d.wasm", "D", now)
	if err := os.Symlink(f.root+"/../escape.wasm", f.root+"/cgi-bin/link.wasm"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/cgi-bin/a.wasm", 200, "A /cgi-bin/a.wasm  "},
		{"GET", "/cgi-bin/a.wasm?q=1", 200, "A /cgi-bin/a.wasm  q=1"},
		{"POST", "/cgi-bin/a.wasm/x/y?q", 200, "A /cgi-bin/a.wasm /x/y q"},
		{"PUT", "/cgi-bin/a.wasm/", 200, "A /cgi-bin/a.wasm / "},
		{"GET", "/cgi-bin/sub/b.wasm/.hidden", 200, "B /cgi-bin/sub/b.wasm /.hidden "},
		{"GET", "/htbin/c.wasm", 200, "C /htbin/c.wasm  "},
		{"GET", "/cgi-bin/none.wasm", 404, ""},
		{"GET", "/cgi-bin/none/a.wasm", 404, ""},
		{"GET", "/cgi-bin/link.wasm", 404, ""},
		{"GET", "/cgi-bin/.secret.wasm", 404, ""},
		{"GET", "/cgi-bin/script.py", 403, ""},
		{"POST", "/cgi-bin/script.py/x", 403, ""},
		{"GET", "/cgi-bin/", 403, ""},
		{"GET", "/cgi-bin", 403, ""},
		{"GET", "/cgi-bin/sub/", 403, ""},
		{"GET", "/CGI-BIN/a.wasm", 404, ""}, // and not its source
		{"GET", "/cgi-binary/a.wasm", 200, "file"},
		{"GET", "/other/d.wasm", 200, "file"},
		{"POST", "/other/d.wasm", 501, ""},
	} {
		got := f.ask(t, tt.method, tt.target)
		if got.Status != tt.status || string(got.Body) != tt.body {
			t.Errorf("%s %s: got %d %q, %v; want %d %q", tt.method, tt.target, got.Status, got.Body, got.Err, tt.status, tt.body)
		}
	}
	if n := f.opened.Load(); n != 3 {
		t.Errorf("%d programs opened, want 3", n)
	}
	if err := f.ask(t, "POST", "/").Err; err == nil || err.Error() != "Can only POST to CGI scripts" {
		t.Errorf("POST elsewhere: %v", err)
	}
}

func TestDirectory_TakesWhatHasChanged(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	now := time.Now()
	want := func(text string, status int) {
		t.Helper()
		if got := f.ask(t, "GET", "/cgi-bin/a.wasm"); got.Status != status || !strings.HasPrefix(string(got.Body), text) {
			t.Errorf("got %d %q, %v; want %d %q", got.Status, got.Body, got.Err, status, text)
		}
	}
	f.write(t, "cgi-bin/a.wasm", "broken", now)
	want("", 0)
	f.write(t, "cgi-bin/a.wasm", "one", now.Add(time.Second))
	want("one", 200)
	want("one", 200)
	f.write(t, "cgi-bin/a.wasm", "two", now.Add(2*time.Second))
	want("two", 200)
	f.write(t, "cgi-bin/a.wasm", "broken", now.Add(3*time.Second))
	want("two", 200)
	if err := os.Remove(f.root + "/cgi-bin/a.wasm"); err != nil {
		t.Fatal(err)
	}
	want("", 404)
	if f.opened.Load() != 2 || f.closed.Load() != 2 {
		t.Errorf("%d opened, %d closed; want 2, 2", f.opened.Load(), f.closed.Load())
	}
}

func TestDirectory_OpensOnce(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "cgi-bin/a.wasm", "A", time.Now())
	var group sync.WaitGroup
	for n := range 32 {
		group.Go(func() {
			gone, leave := leaving()
			if n%2 == 0 {
				leave()
			}
			r := exchangetest.NewRequest("GET", "/cgi-bin/a.wasm", gone)
			got := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(nil), f), r)
			if n%2 == 1 && got.Status != 200 {
				t.Errorf("got %d, %v", got.Status, got.Err)
			}
		})
	}
	group.Wait()
	if n := f.opened.Load(); n != 1 {
		t.Errorf("opened %d times, want 1", n)
	}
}

func TestDirectory_ClosesWhenExchangesAreOver(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "cgi-bin/a.wasm", "A", time.Now())
	r := exchangetest.NewRequest("GET", "/cgi-bin/a.wasm")
	resp, err := f.Handle(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f.closed.Load() != 0 {
		t.Error("closed while an exchange uses it")
	}
	resp.Body.Close()
	r.End()
	if f.closed.Load() != 1 {
		t.Error("not closed when the exchange is over")
	}
	if got := f.ask(t, "GET", "/cgi-bin/a.wasm"); got.Status != 404 {
		t.Errorf("after Close: got %d", got.Status)
	}
}

// The prefix without its slash is no path below the root, even where all is programs.
func TestDirectory_PrefixAlone(t *testing.T) {
	t.Parallel()
	f := &folder{root: t.TempDir()}
	d, err := NewDirectory(DirectoryOptions{Root: f.root, StripPrefix: "/app/", Dirs: []string{"/"}, Open: f.open})
	if err != nil {
		t.Fatal(err)
	}
	f.Directory = d
	defer d.Close()
	f.write(t, "a.wasm", "a", time.Unix(1, 0))
	for target, want := range map[string]string{"/app": "file", "/app/a.wasm": "a /app/a.wasm  ", "/apple": "file"} {
		if got := f.ask(t, "GET", target); got.Status != 200 || string(got.Body) != want {
			t.Errorf("%s: got %d %q, want %q", target, got.Status, got.Body, want)
		}
	}
}

func TestNewDirectory_Refuses(t *testing.T) {
	t.Parallel()
	for _, o := range []DirectoryOptions{
		{Root: filepath.Join(t.TempDir(), "none"), Dirs: []string{"/cgi-bin"}},
		{Root: t.TempDir(), Dirs: []string{"cgi-bin"}},
		{Root: t.TempDir(), Dirs: []string{"/../x"}},
	} {
		if _, err := NewDirectory(o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}
