package exchange

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func tempFile(t *testing.T, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestBodies(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		body Body
		want string
		len  int64
		err  error
	}{
		{"none", NoBody, "", 0, nil},
		{"bytes", NewBytes([]byte("hello")), "hello", 5, nil},
		{"no bytes", NewBytes(nil), "", 0, nil},
		{"file", &File{F: tempFile(t, "hello"), N: 5}, "hello", 5, nil},
		{"range of a file", &File{F: tempFile(t, "hello"), Off: 1, N: 3}, "ell", 3, nil},
		{"empty range", &File{F: tempFile(t, "hello"), Off: 5}, "", 0, nil},
		{"file cut", &File{F: tempFile(t, "hel"), N: 5}, "hel", 5, io.ErrUnexpectedEOF},
		{"file gone beyond", &File{F: tempFile(t, "hel"), Off: 9, N: 5}, "", 5, io.ErrUnexpectedEOF},
		{"reader", NewBody(strings.NewReader("hello"), 5, nil), "hello", 5, nil},
		{"reader with EOF at once", NewBody(iotest.DataErrReader(strings.NewReader("hello")), 5, nil), "hello", 5, nil},
		{"reader of unknown length", NewBody(strings.NewReader("hello"), -1, nil), "hello", -1, nil},
		{"reader cut", NewBody(strings.NewReader("hel"), 5, nil), "hel", 5, io.ErrUnexpectedEOF},
		{"reader cut with EOF at once", NewBody(iotest.DataErrReader(strings.NewReader("hel")), 5, nil), "hel", 5, io.ErrUnexpectedEOF},
		{"reader too long", NewBody(iotest.HalfReader(strings.NewReader("hello, world")), 5, nil), "", 5, errLength},
		{"reader fails", NewBody(io.MultiReader(strings.NewReader("he"), iotest.ErrReader(boom)), -1, nil), "he", -1, boom},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.body.Len(); got != c.len {
				t.Errorf("length: got %d, want %d", got, c.len)
			}
			got, err := io.ReadAll(c.body)
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v, want %q, %v", got, err, c.want, c.err)
			}
			if n, err := c.body.Read(make([]byte, 8)); n != 0 || c.err == nil && err != io.EOF || c.err != nil && err == nil {
				t.Errorf("read after the end: got %d, %v", n, err)
			}
			for range 2 {
				if err := c.body.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
}

// What comes after too long a body is not the body of anything (request
// smuggling): the error stays.
func TestBody_TooLongStaysAnError(t *testing.T) {
	t.Parallel()
	b := NewBody(strings.NewReader("GET / HTTP/1.1"), 3, nil)
	for range 3 {
		if n, err := b.Read(make([]byte, 8)); n != 0 || err != errLength {
			t.Errorf("got %d, %v, want %v", n, err, errLength)
		}
		if got := b.Len(); got != 0 {
			t.Errorf("length: got %d, want 0", got)
		}
	}
}

func TestBodies_CloseEndsOnce(t *testing.T) {
	t.Parallel()
	boom, calls := errors.New("boom"), 0
	b := NewBody(strings.NewReader(""), 0, func() error { calls++; return boom })
	if err := b.Close(); err != boom {
		t.Errorf("first close: got %v, want %v", err, boom)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second close: got %v, want nil", err)
	}
	f := &File{F: tempFile(t, "x"), N: 1, Release: func() { calls++ }}
	_, _ = f.Close(), f.Close()
	if calls != 2 {
		t.Errorf("got %d calls of the ends of two bodies, want 2", calls)
	}
}

func TestFiles_ShareOneDescriptor(t *testing.T) {
	t.Parallel()
	f := tempFile(t, "hello")
	a, b := &File{F: f, N: 5}, &File{F: f, N: 5}
	for _, x := range []Body{a, b} {
		if got, err := io.ReadAll(iotest.OneByteReader(x)); string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
