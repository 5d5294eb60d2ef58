package certs

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func FuzzDecodeAuthority(f *testing.F) {
	root, err := newRoot("test", time.Now(), 0)
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

func TestInternal_NamesItsRoot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"", "weir internal root "},
		{"Acme intranet", "Acme intranet "},
		{strings.Repeat("n", 64), strings.Repeat("n", 64)},
	} {
		c, err := OpenInternal(t.TempDir()+"/ca", InternalOptions{Name: tt.name})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.Root().Subject.CommonName; !strings.HasPrefix(got, tt.want) || len(got) > 64 {
			t.Errorf("root of name %q is called %q, want %q and 64 bytes at most", tt.name, got, tt.want)
		}
	}
	if _, err := OpenInternal(t.TempDir()+"/ca", InternalOptions{Name: strings.Repeat("n", 65)}); err == nil {
		t.Error("a name of 65 bytes was taken, want an error")
	}
}
