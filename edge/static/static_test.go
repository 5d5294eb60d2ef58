package static

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// old is a time well before the tests, so that no file of theirs is young.
var old = time.Date(2024, 5, 17, 10, 20, 30, 0, time.UTC)

const oldDate = "Fri, 17 May 2024 10:20:30 GMT"

// tree makes a directory of files; a name with a slash at its end is a directory.
func makeTree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		write(t, filepath.Join(dir, name), name, files[name], old)
	}
	return dir
}

func write(t testing.TB, path, name, content string, modified time.Time) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	if name[len(name)-1] == '/' {
		check(t, os.MkdirAll(path, 0o755))
		return
	}
	check(t, os.WriteFile(path, []byte(content), 0o644))
	check(t, os.Chtimes(path, modified, modified))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve returns a handler that ends with the test.
func serve(t testing.TB, o Options) *Handler {
	t.Helper()
	h, err := New(o)
	check(t, err)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// get asks h; fields are pairs of name and value.
func get(t testing.TB, h exchange.Handler, target string, fields ...string) *exchangetest.Result {
	t.Helper()
	return ask(t, h, "GET", target, fields...)
}

func ask(t testing.TB, h exchange.Handler, method, target string, fields ...string) *exchangetest.Result {
	t.Helper()
	r := exchangetest.NewRequest(method, target)
	for i := 0; i < len(fields); i += 2 {
		check(t, r.Header.Add(fields[i], fields[i+1]))
	}
	return exchangetest.Do(t, h, r)
}

// brief is the status and the body, for tables.
func brief(r *exchangetest.Result) string {
	return fmt.Sprintf("%d %s", r.Status, r.Body)
}

// field returns a field of a result, be it a response or an error.
func field(r *exchangetest.Result, name string) string {
	if e, ok := r.Err.(*exchange.Error); ok {
		for _, f := range e.Fields {
			if f.Name == name {
				return f.Value
			}
		}
	}
	return r.Header.Get(name)
}

// at is a request that arrived some time after the handler was made, with the
// memory of a kept-alive connection.
func at(h *Handler, target string, after time.Duration) *exchange.Request {
	r := exchangetest.NewRequest("GET", target)
	r.Record.Start = h.base.Add(after)
	return r
}
