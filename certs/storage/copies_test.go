package storage

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzFileName(f *testing.F) {
	for _, key := range []string{"cert/example.com", "cert/*.example.com", "CERT", ".", "..", ".new-x", "a~b", "\x00\xff", strings.Repeat("/", 300)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name := fileName(key)
		if len(name) > 200 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.%~") != "" || strings.HasPrefix(name, ".") {
			t.Errorf("key %q: file %q", key, name)
		}
		if back, ok := unescape(name); ok && back != key || !ok && key != "" && !strings.Contains(name, "~") {
			t.Errorf("key %q: file %q, and back %q, %v", key, name, back, ok)
		}
	})
}

func FuzzDecodeCopy(f *testing.F) {
	f.Add(encodeCopy(Record{"cert/x", []byte("v")}))
	f.Add([]byte(copyMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeCopy(b); err == nil && !bytes.Equal(encodeCopy(r), b) {
			t.Errorf("%q is read as %q", b, r)
		}
	})
}
