package store_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/sqlite"
)

func open(t testing.TB) *store.Store {
	t.Helper()
	e, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "weir.db")})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(e, store.Options{Deadline: 20 * time.Second})
	t.Cleanup(func() { s.Close() })
	return s
}

func TestErrNotFound_IsErrNotExist(t *testing.T) {
	t.Parallel()
	if _, err := open(t).Get(t.Context(), "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestStore_RefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := open(t)
	many := make([]store.Op, store.MaxOps+1)
	for i := range many {
		many[i].Key = strings.Repeat("k", i+1)
	}
	ok := store.Op{Key: "k"}
	for name, b := range map[string]store.Batch{
		"no changes":        {},
		"too many changes":  {Ops: many},
		"value":             {Ops: []store.Op{{Key: "k", Value: make([]byte, store.MaxValue+1)}}},
		"key":               {Ops: []store.Op{{Key: strings.Repeat("k", store.MaxKey+1)}}},
		"key twice":         {Ops: []store.Op{ok, ok}},
		"negative life":     {Ops: []store.Op{{Key: "k", TTL: -1}}},
		"endless life":      {Ops: []store.Op{{Key: "k", TTL: 1<<63 - 1}}},
		"two conditions":    {Ops: []store.Op{{Key: "k", If: store.Condition{Absent: true, Version: 1}}}},
		"delete the absent": {Ops: []store.Op{{Key: "k", Delete: true, If: store.Condition{Absent: true}}}},
		"lease":             {Ops: []store.Op{ok}, Held: &store.Lease{Name: "\n"}},
	} {
		if _, err := s.Commit(t.Context(), b); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, limit := range []int{-1, 0, store.MaxPage + 1} {
		if _, err := s.List(t.Context(), "", "", limit); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	if _, err := s.List(t.Context(), "\x00", "", 1); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("prefix: %v", err)
	}
	if _, err := s.Lock(t.Context(), ""); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("lock: %v", err)
	}
	s.Watch(t.Context(), "\x00", func(string) { t.Error("called") })
}

func TestDelete_TakesAnyNumberOfKeys(t *testing.T) {
	t.Parallel()
	s := open(t)
	var keys []string
	for i := range 2*store.MaxOps + 10 {
		keys = append(keys, strings.Repeat("k", i+1))
	}
	for _, k := range keys[:10] {
		if _, err := s.Put(t.Context(), k, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), append(keys, keys[0], keys[1])...); err != nil {
		t.Fatal(err)
	}
	if left, err := s.List(t.Context(), "", "", 10); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("delete nothing: %v", err)
	}
}

func TestRange_HoldsExactlyTheKeysBehind(t *testing.T) {
	t.Parallel()
	keys := []string{" ", "a", "a ", "a/", "a/\U0010FFFF", "a/\U0010FFFF\U0010FFFF", "a0", "b", strings.Repeat("\U0010FFFF", store.MaxKey/4)}
	for _, prefix := range append(keys, "") {
		for _, after := range append(keys, "") {
			from, to := store.Range(prefix, after)
			for _, k := range keys {
				want := strings.HasPrefix(k, prefix) && k > after
				if got := from <= k && k <= to; got != want {
					t.Errorf("prefix %q after %q: key %q: got %v, want %v", prefix, after, k, got, want)
				}
			}
		}
	}
}

const goodExport = `{"format":"weir store export","version":1,"made":"2026-11-30T00:00:00Z"}
{"key":"a","value":"AQI="}
{"key":"b","value":"","expires":"2100-01-01T00:00:00Z"}
{"entries":2,"sha256":"SUM"}
`

func FuzzImport(f *testing.F) {
	var file bytes.Buffer
	s := open(f)
	for _, k := range []string{"a", "ä", "<b>"} {
		if _, err := s.Put(f.Context(), k, []byte(k), time.Hour); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := s.Export(f.Context(), &file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(goodExport))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		before, err := s.List(t.Context(), "", "", store.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(t.Context(), bytes.NewReader(data), store.ReplaceExisting); err == nil {
			return
		} else if !errors.Is(err, store.ErrInvalid) && !strings.Contains(err.Error(), "token too long") {
			t.Fatalf("import: %v", err)
		}
		after, err := s.List(t.Context(), "", "", store.MaxPage)
		if err != nil || len(before) != len(after) {
			t.Fatalf("a refused file changed something: %d entries, then %d, %v", len(before), len(after), err)
		}
	})
}

func TestImport_RefusesChangedFilesWhole(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.Put(t.Context(), "k", []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := s.Export(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	whole := file.String()
	lines := strings.SplitAfter(whole, "\n")
	for name, text := range map[string]string{
		"nothing":       "",
		"no header":     lines[1] + lines[2],
		"other version": strings.Replace(whole, `"version":1`, `"version":2`, 1),
		"other format":  strings.Replace(whole, "weir", "wear", 1),
		"no trailer":    lines[0] + lines[1],
		"no entry":      lines[0] + lines[2],
		"entry twice":   lines[0] + lines[1] + lines[1] + lines[2],
		"changed value": strings.Replace(whole, "dmFsdWU=", "dmFsdWV=", 1),
		"changed key":   strings.Replace(whole, `"key":"k"`, `"key":"l"`, 1),
		"bad key":       strings.Replace(whole, `"key":"k"`, `"key":"\u0000"`, 1),
		"more":          whole + lines[1],
		"other field":   strings.Replace(whole, `"key"`, `"clef"`, 1),
		"long line":     lines[0] + strings.Repeat("x", 3<<20),
	} {
		if _, err := s.Import(t.Context(), strings.NewReader(text), store.ReplaceExisting); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := s.Import(t.Context(), strings.NewReader(whole), store.ReplaceExisting); err != nil {
		t.Error(err)
	}
}

func FuzzValidKey(f *testing.F) {
	for _, s := range []string{"", "a/b", "\x00", "\xff", "ä", "\u0085", strings.Repeat("x", 513)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if store.ValidKey(s) != nil {
			return
		}
		for _, r := range s {
			if r < ' ' || r == 0x7f || r == 0xfffd && !strings.Contains(s, "\ufffd") {
				t.Fatalf("%q is accepted", s)
			}
		}
		if from, to := store.Range(s, ""); s < from || s > to {
			t.Fatalf("%q is not in its own range", s)
		}
	})
}
