package meter_test

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// What of a module's globals can be kept, and what cannot.
func TestExamine_State(t *testing.T) {
	t.Parallel()
	const i32, constant, f64, ref, v128 = "\x7f\x01\x41\x00\x0b", "\x7e\x00\x42\x00\x0b", "\x7c\x01\x44\x00\x00\x00\x00\x00\x00\x00\x00\x0b",
		"\x6f\x01\xd0\x6f\x0b", "\x7b\x01\xfd\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0b"
	for _, tt := range []struct {
		globals []string
		want    []int
		hides   string
	}{
		{nil, nil, ""},
		{[]string{i32, constant, f64}, []int{0, 2}, ""},
		{[]string{constant, ref, i32}, []int{2}, "a global of type externref"},
		{[]string{v128}, nil, "a global of type v128"},
	} {
		body := string(rune(len(tt.globals)))
		for _, g := range tt.globals {
			body += g
		}
		code := "\x00asm\x01\x00\x00\x00\x06" + string(rune(len(body))) + body
		m, err := meter.Examine([]byte(code))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Globals, tt.want) || m.Hides != tt.hides {
			t.Errorf("%q: globals %v, hides %q; want %v, %q", tt.globals, m.Globals, m.Hides, tt.want, tt.hides)
		}
		w := newWorld(t, false)
		i, err := w.load(t.Context(), m.Code, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range tt.want {
			if i.ExportedGlobal(meter.Global(n)) == nil {
				t.Errorf("%q: global %d is not exported", tt.globals, n)
			}
		}
	}
	exported := "\x00asm\x01\x00\x00\x00\x06\x06\x01" + i32 + "\x07\x0a\x01\x06weir:0\x03\x00"
	if _, err := meter.Examine([]byte(exported)); err == nil {
		t.Error("a module may export what only the host's may be called")
	}
}
