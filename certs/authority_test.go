package certs

import (
	"bytes"
	"testing"
	"time"
)

func FuzzDecodeAuthority(f *testing.F) {
	root, err := newRoot(time.Now(), 0)
	if err != nil {
		f.Fatal(err)
	}
	good, err := root.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(append(bytes.Clone(good), good...))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAuthority(b)
		if err != nil {
			return
		}
		again, err := a.encode()
		if err != nil {
			t.Fatalf("%q is taken, but cannot be written: %v", b, err)
		}
		if c, err := decodeAuthority(again); err != nil || !c.cert.Equal(a.cert) || !c.cert.IsCA {
			t.Errorf("%q is taken, but reads differently when written: %v", b, err)
		}
	})
}
