package ext

import (
	"bytes"
	"testing"
)

func TestFields_ReadWhatWasAppended(t *testing.T) {
	t.Parallel()
	b := AppendUint(Append(Append(nil, "key"), []byte{}), Any)
	f := Read(b)
	if key, empty, n := f.Text(), f.Bytes(), f.Uint(); key != "key" || len(empty) != 0 || n != Any || f.End() != nil {
		t.Errorf("got %q, %q, %d, %v", key, empty, n, f.End())
	}
	for cut := range b {
		f := Read(b[:cut])
		if f.Bytes(); true {
			f.Bytes()
			f.Uint()
		}
		if f.End() == nil {
			t.Errorf("cut to %d bytes: no error", cut)
		}
	}
	f = Read(append(b, 0))
	f.Bytes()
	f.Bytes()
	f.Uint()
	if f.End() == nil {
		t.Error("bytes left over: no error")
	}
}

func FuzzFields(f *testing.F) {
	f.Add(AppendUint(Append(nil, "a"), 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, again := Read(b), []byte(nil)
		for r.More() {
			field := r.Bytes()
			if r.bad {
				break
			}
			again = Append(again, field)
		}
		if r.End() == nil && !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}
