package wasm_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

const preamble = "\x00asm\x01\x00\x00\x00"

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := wasm.Parse([]byte(preamble +
		"\x01\x06\x01\x60\x01\x7f\x01\x7e" + // (i32) -> i64
		"\x02\x09\x01\x03env\x01f\x00\x00" +
		"\x03\x02\x01\x00" +
		"\x04\x04\x01\x70\x00\x05" +
		"\x05\x04\x01\x01\x01\x02" +
		"\x07\x05\x01\x01g\x00\x01" +
		"\x00\x1e\x09producers\x01\x08language\x01\x02Go\x05go1.9" +
		"\x00\x09\x04name\x00\x02\x01m" +
		"\x00\x17\x0ftarget_features\x01+\x04simd"))
	if err != nil {
		t.Fatal(err)
	}
	if g := m.Export("g"); g == nil || !slices.Equal(g.Type.Params, []wasm.ValueType{wasm.I32}) || !slices.Equal(g.Type.Results, []wasm.ValueType{wasm.I64}) {
		t.Errorf("got %+v for the export g, want (i32) -> i64", g)
	}
	if !m.Needs("env") || m.Needs("g") || m.Functions != 1 || *m.Memory != (wasm.Limits{Min: 1, Max: 2, HasMax: true}) {
		t.Errorf("got %+v", m)
	}
	if m.Name != "m" || !slices.Equal(m.Features, []string{"simd"}) || len(m.Tables) != 1 || m.Tables[0].Min != 5 {
		t.Errorf("got %+v", m)
	}
	if got := wasm.Toolchain(m); got != "Go 1.9" {
		t.Errorf("got %q, want Go 1.9", got)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code string
		want wasm.Feature // 0: any error
	}{
		{"", 0},
		{"hello, world", 0},
		{"\x00asm\x02\x00\x00\x00", 0},
		{"\x00asm\x0d\x00\x01\x00", wasm.Component},
		{preamble + "\x01\x03\x01\x5f\x00", wasm.GarbageCollection},
		{preamble + "\x01\x05\x01\x60\x01\x6e\x00", wasm.GarbageCollection},
		{preamble + "\x01\x06\x01\x60\x01\x64\x70\x00", wasm.TypedReferences},
		{preamble + "\x05\x03\x01\x04\x01", wasm.Memory64},
		{preamble + "\x05\x04\x01\x03\x01\x02", wasm.Threads},
		{preamble + "\x05\x05\x02\x00\x01\x00\x01", wasm.MultiMemory},
		{preamble + "\x0d\x03\x01\x00\x00", wasm.Exceptions},
		{preamble + "\x01\x05\xff\xff\xff\xff\x0f", 0},
		{preamble + "\x01\xff\x01", 0},
		{preamble + "\x07\x05\x01\x01g\x00\x01", 0},
		{preamble + "\x63\x00", 0},
	} {
		_, err := wasm.Parse([]byte(c.code))
		u, ok := errors.AsType[*wasm.Unsupported](err)
		if err == nil || ok != (c.want != 0) || ok && u.Feature != c.want {
			t.Errorf("%x: got %v, want feature %d", c.code, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(preamble + "\x01\x06\x01\x60\x01\x7f\x01\x7e\x02\x09\x01\x03env\x01f\x00\x00\x07\x05\x01\x01g\x00\x00"))
	f.Add([]byte(preamble + "\x00\x1e\x09producers\x01\x08language\x01\x02Go\x05go1.9"))
	f.Fuzz(func(t *testing.T, code []byte) {
		m, err := wasm.Parse(code)
		if (m == nil) == (err == nil) {
			t.Errorf("got %v and %v for %x", m, err, code)
		}
		if m != nil {
			wasm.Toolchain(m)
		}
	})
}
