package meter_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/meter"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// tree has functions each of which calls the next one twice: 2^depth calls, no loop.
func tree(depth int) guest {
	g := guest{types: []string{unit}}
	for i := range depth {
		next := string([]byte{byte(i + 1)})
		g.funcs = append(g.funcs, fn{body: "\x10" + next + "\x10" + next, locals: noLocal})
	}
	g.funcs = append(g.funcs, fn{locals: noLocal})
	return g
}

// treeOf is a tree whose functions are code with the next one's number in it.
func treeOf(depth int, code string) guest {
	g := guest{types: []string{unit}}
	for i := range depth {
		g.funcs = append(g.funcs, fn{body: fmt.Sprintf(code, rune(i+1)), locals: noLocal})
	}
	g.funcs = append(g.funcs, fn{locals: noLocal})
	return g
}

// indirectTree is a tree whose functions find the next one in a table.
func indirectTree(depth int) guest {
	g := treeOf(depth, "\x41%[1]c\x11\x00\x00\x41%[1]c\x11\x00\x00")
	g.tables = []string{"\x70\x00" + string(rune(depth+1))}
	for i := range g.funcs {
		g.elem = append(g.elem, byte(i))
	}
	return g
}

// Whatever runs without end comes to yield, and soon.
func TestEndless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		guest guest
	}{
		{"loop", guest{types: []string{unit}, funcs: []fn{{0, noLocal, "\x03\x40\x0c\x00\x0b"}}}},
		{"loop with a parameter", guest{types: []string{unit, intInt}, funcs: []fn{
			{0, noLocal, "\x41\x05\x03\x01\x0c\x00\x0b\x1a"},
		}}},
		{"loop by a table", guest{types: []string{unit}, funcs: []fn{
			{0, noLocal, "\x03\x40\x41\x00\x0e\x01\x00\x00\x0b"},
		}}},
		{"loop in dead code's shadow", guest{types: []string{unit}, funcs: []fn{
			{0, noLocal, "\x02\x40\x0c\x00\x03\x40\x0b\x0b\x03\x40\x02\x40\x0c\x01\x0b\x0b"},
		}}},
		{"loop that calls a free leaf", guest{types: []string{unit}, funcs: []fn{
			{0, noLocal, "\x03\x40\x10\x01\x0c\x00\x0b"}, {0, noLocal, ""},
		}}},
		{"tree of calls", tree(33)},
		{"tree of indirect calls", indirectTree(33)},
		{"tree of calls behind branches", treeOf(33, "\x02\x40\x41\x00\x0d\x00\x0b\x10%[1]c\x02\x40\x41\x00\x0d\x00\x0b\x10%[1]c")},
		{"tree of calls in arms", treeOf(33, "\x41\x01\x04\x40\x10%[1]c\x10%[1]c\x05\x00\x0b")},
		{"tree of calls in other arms", treeOf(33, "\x41\x00\x04\x40\x00\x05\x10%[1]c\x10%[1]c\x0b")},
		{"tree of calls behind a return", treeOf(33, "\x41\x00\x04\x40\x0f\x0b\x10%[1]c\x10%[1]c")},
		{"tree of calls by itself", guest{types: []string{unit, "\x60\x01\x7f\x00"}, funcs: []fn{
			{0, noLocal, "\x41\x3c\x10\x01"},
			{1, noLocal, "\x20\x00\x45\x04\x40\x0f\x0b\x20\x00\x41\x01\x6b\x10\x01\x20\x00\x41\x01\x6b\x10\x01"},
		}}},
		{"tree of calls by each other", guest{types: []string{unit, "\x60\x01\x7f\x00"}, funcs: []fn{
			{0, noLocal, "\x41\x3c\x10\x01"},
			{1, noLocal, "\x20\x00\x04\x40\x20\x00\x41\x01\x6b\x10\x02\x20\x00\x41\x01\x6b\x10\x02\x0b"},
			{1, noLocal, "\x02\x40\x20\x00\x45\x0d\x00\x20\x00\x41\x01\x6b\x10\x01\x20\x00\x41\x01\x6b\x10\x01\x0b"},
		}}},
		{"loop around a leaf that loops", guest{types: []string{unit}, funcs: []fn{
			{0, noLocal, "\x03\x40\x10\x01\x41\x01\x0d\x00\x0b"}, {0, noLocal, "\x03\x40\x0b"},
		}}},
		{"fill", guest{types: []string{unit}, memory: "\x00\x80\x08", funcs: []fn{
			{0, noLocal, "\x03\x40\x41\x00\x41\x00\x41\x80\x80\x80\x20\xfc\x0b\x00\x0c\x00\x0b"},
		}}},
		{"copy", guest{types: []string{unit}, memory: "\x00\x80\x08", funcs: []fn{
			{0, noLocal, "\x03\x40\x41\x00\x41\x01\x41\x80\x80\x80\x18\xfc\x0a\x00\x00\x0c\x00\x0b"},
		}}},
		{"fill of a table", guest{types: []string{unit}, tables: []string{"\x70\x00\x80\x20"}, funcs: []fn{
			{0, noLocal, "\x03\x40\x41\x00\xd0\x70\x41\x80\x20\xfc\x11\x00\x0c\x00\x0b"},
		}}},
		{"growth that fails", guest{types: []string{unit}, memory: "\x00\x01", funcs: []fn{
			{0, noLocal, "\x03\x40\x41\xff\xff\x03\x40\x00\x1a\x0c\x00\x0b"},
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.limit = 20
			m, err := w.load(t.Context(), c.guest.encode(), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err = m.ExportedFunction("f0").Call(t.Context()); !errors.Is(err, errFuel) {
				t.Errorf("got %v, want %v", err, errFuel)
			}
		})
	}
}

// What a module must not reach before it is rewritten it must not reach after: an index
// one too high would be the host's counter, or a function that burns fuel.
func TestForbiddenReach(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no such global (0)":   "\x42\x00\x24\x00",
		"no such global (1)":   "\x41\x00\x24\x01",
		"no such function":     "\x10\x01",
		"no such type":         "\x41\x00\x11\x01\x00",
		"no such block type":   "\x02\x01\x0b",
		"no such local":        "\x20\x00\x1a",
		"branch out":           "\x0c\x01",
		"branch out of a loop": "\x03\x40\x41\x00\x0d\x02\x0b",
		"table out":            "\x41\x00\x0e\x00\x01",
		"no such reference":    "\xd2\x01\x1a",
		"else at large":        "\x05",
		"end at large":         "\x0b",
		"cut off":              "\x41",
	} {
		g := guest{types: []string{unit}, tables: []string{"\x70\x00\x01"}, funcs: []fn{{0, noLocal, body}}}
		if out, err := meter.Rewrite(g.encode()); err == nil {
			t.Errorf("%s: got %x and no error for %x", name, out, body)
		}
	}
}

// The engine reads one byte of an opcode behind 0xfd, takes 0x01 for a nop behind it, and
// anything else for an instruction. An opcode that is longer than it need be would hide
// instructions in the constant that follows it: here a loop without end.
func TestOpcodesReadDifferently(t *testing.T) {
	t.Parallel()
	const before = "\x02\x40\x41\x01\x0d\x00" + // over what follows
		"\xfd\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x41\x00"
	const hidden = "\x0b\x03\x40\x0c\x00\x0b\x02\x40\x01\x01\x01\x01\x01\x01\x01\x01"
	for _, code := range []string{"\xfd\x8c\x00", "\xfd\x8c\x80\x00"} {
		g := guest{types: []string{unit}, funcs: []fn{{0, noLocal, before + code + hidden + "\x0b"}}}
		if out, err := meter.Rewrite(g.encode()); err == nil {
			t.Errorf("got %x and no error for %x", out, code)
		}
	}
	g := guest{types: []string{unit}, funcs: []fn{{0, noLocal, before + "\x1a\xfd\x80\x01\x1a\x0b"}}} // i16x8.abs
	if _, err := newWorld(t, true).load(t.Context(), g.encode(), ""); err != nil {
		t.Errorf("got %v for an opcode of two bytes", err)
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want wasm.Feature
	}{
		{"\x12\x00", wasm.TailCalls},
		{"\x13\x00\x00", wasm.TailCalls},
		{"\x41\x00\xfe\x10\x02\x00\x1a", wasm.Threads},
		{"\x06\x40\x0b", wasm.Exceptions},
		{"\x1f\x40\x00\x0b", wasm.Exceptions},
		{"\xfb\x00\x00", wasm.GarbageCollection},
		{"\x14\x00", wasm.TypedReferences},
		{"\xfd\x80\x02", wasm.RelaxedSIMD},
		{"\x41\x00\x28\x42\x01\x00\x1a", wasm.MultiMemory},
	} {
		g := guest{types: []string{unit}, memory: "\x00\x01", funcs: []fn{{0, noLocal, c.body}}}
		_, err := meter.Rewrite(g.encode())
		if u, ok := errors.AsType[*wasm.Unsupported](err); !ok || u.Feature != c.want {
			t.Errorf("%x: got %v, want %v", c.body, err, wasm.Uses(c.want))
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	grow := func(table string, n string) guest { // grows table 0 by n
		return guest{types: []string{toInt}, tables: []string{table}, funcs: []fn{
			{0, noLocal, "\xd0\x70\x41" + n + "\xfc\x0f\x00"},
		}}
	}
	for _, c := range []struct {
		name  string
		guest guest
		want  int32
	}{
		{"a little", grow("\x70\x00\x01", "\x80\x08"), 1},
		{"to the end", grow("\x70\x00\x00", "\x80\x80\x08"), 0},
		{"too far", grow("\x70\x00\x01", "\x80\x80\x08"), -1},
		{"beyond its own end", grow("\x70\x01\x01\x02", "\x02"), -1},
		{"from far", grow("\x70\x00\x80\x80\x20", "\x01"), -1},
	} {
		m, err := newWorld(t, true).load(t.Context(), c.guest.encode(), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := m.ExportedFunction("f0").Call(t.Context())
		if err != nil || int32(got[0]) != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.name, int32(got[0]), err, c.want)
		}
	}
	if _, err := meter.Rewrite(grow("\x70\x00\x81\x80\xc0\x00", "\x01").encode()); err == nil {
		t.Error("got no error for a table of more than a million entries")
	}
}

// Numbers that are claimed are not believed: the engine would allocate by them, and end
// the process for want of memory.
func TestClaims(t *testing.T) {
	t.Parallel()
	const many = "\xff\xff\xff\xff\x0f"
	for _, sections := range []string{
		"\x01\x06" + many + "\x60",
		"\x01\x07\x01\x60" + many,
		"\x02\x05" + many,
		"\x03\x05" + many,
		"\x04\x05" + many,
		"\x05\x05" + many,
		"\x06\x05" + many,
		"\x07\x05" + many,
		"\x09\x05" + many,
		"\x09\x09\x01\x01\x00" + many + "\x00",
		"\x0a\x05" + many,
		"\x0b\x05" + many,
		"\x0b\x07\x01\x01" + many,
		"\x0c\x05" + many,
		"\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x0a\x01\x08\x01" + many + "\x7f\x0b",
	} {
		if _, err := meter.Rewrite([]byte("\x00asm\x01\x00\x00\x00" + sections)); err == nil {
			t.Errorf("got no error for %x", sections)
		}
	}
}

// Modules of some KiB that the compiler would take gigabytes for, or hours.
func TestSecurity_W7_CompilationIsBounded(t *testing.T) {
	t.Parallel()
	wide := func(n int) string {
		side := string(binary.AppendUvarint(nil, uint64(n))) + strings.Repeat("\x7f", n)
		return "\x60" + side + side
	}
	many := func(width, n int, code string) guest {
		return guest{types: []string{unit, wide(width)}, tables: []string{"\x70\x00\x01"}, funcs: []fn{{0, noLocal,
			strings.Repeat("\x41\x00", width) + strings.Repeat(code, n) + strings.Repeat("\x1a", width)}}}
	}
	loops := func(n int) guest {
		return guest{types: []string{unit}, funcs: []fn{{0, noLocal, strings.Repeat("\x03\x40", n) + strings.Repeat("\x0b", n)}}}
	}
	for _, c := range []struct {
		name      string
		good, bad guest
	}{
		{"wide types", many(1000, 1, ""), many(1001, 1, "")},
		{"wide blocks", many(100, 1000, "\x02\x01\x0b"), many(1000, 1000, "\x02\x01\x0b")},
		{"wide calls", many(100, 1000, "\x41\x00\x11\x01\x00"), many(1000, 1000, "\x41\x00\x11\x01\x00")},
		{"branches out of wide blocks", many(100, 100, "\x02\x01\x41\x00\x0d\x00\x0b"),
			many(1000, 1, "\x02\x01"+strings.Repeat("\x41\x00\x0d\x00", 1000)+"\x0b")},
		{"loops in loops", loops(1000), loops(1001)},
		{"narrow blocks", many(8, 100_000, "\x02\x01\x0b"), many(1000, 100_000, "\x02\x01\x0b")},
	} {
		if _, err := meter.Rewrite(c.good.encode()); err != nil {
			t.Errorf("%s: got %v for what is not too much", c.name, err)
		}
		if _, err := meter.Rewrite(c.bad.encode()); err == nil {
			t.Errorf("%s: got no error", c.name)
		}
	}
}

func TestLocals(t *testing.T) {
	t.Parallel()
	g := guest{types: []string{unit}, funcs: []fn{{0, "\x02\xa0\x8d\x06\x7f\x01\x7f", ""}}}
	if _, err := meter.Rewrite(g.encode()); err == nil || !strings.Contains(err.Error(), "locals") {
		t.Errorf("got %v, want an error about locals", err)
	}
}

// Names stay with their functions.
func TestNames(t *testing.T) {
	t.Parallel()
	g := guest{types: []string{unit}, names: []string{"outer", "inner"}, funcs: []fn{
		{0, noLocal, "\x10\x01"}, {0, noLocal, "\x00"},
	}}
	m, err := newWorld(t, true).load(t.Context(), g.encode(), "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.ExportedFunction("f0").Call(t.Context())
	if err == nil || !strings.Contains(err.Error(), ".inner()\n\t.outer()") {
		t.Errorf("got %v, want a trace of inner and outer", err)
	}
	g.names[1] = strings.Repeat("\u00fc", 1<<20) // in a trace for each failure
	if m, err = newWorld(t, true).load(t.Context(), g.encode(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err = m.ExportedFunction("f0").Call(t.Context()); err == nil || len(err.Error()) > 2000 {
		t.Errorf("got an error of %d bytes, want a short one", len(fmt.Sprint(err)))
	}
}

// Fuel is what is executed, in eighths.
func TestCost(t *testing.T) {
	t.Parallel()
	g := guest{types: []string{intInt}, funcs: []fn{
		// for n != 0 { n-- }: 4 a turn, of which 2 are the turn's
		{0, noLocal, "\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b\x20\x00"},
		// if n { 1000 times !0 }: an arm that is not taken costs nothing
		{0, noLocal, "\x20\x00\x04\x7f" + strings.Repeat("\x41\x00\x45\x1a", 1000) + "\x41\x01\x05\x41\x02\x0b"},
	}}
	m, err := newWorld(t, true).load(t.Context(), g.encode(), "")
	if err != nil {
		t.Fatal(err)
	}
	fuel := m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
	for _, c := range []struct {
		f         string
		n         uint64
		low, high int64
	}{
		{"f0", 80_000, 39_900, 40_100},
		{"f1", 0, 0, 20},
		{"f1", 1, 125, 135},
	} {
		fuel.Set(1 << 20)
		if _, err := m.ExportedFunction(c.f).Call(t.Context(), c.n); err != nil {
			t.Fatal(err)
		}
		if got := 1<<20 - meter.Left(fuel.Get()); got < c.low || got > c.high {
			t.Errorf("%s(%d): got %d, want %d to %d", c.f, c.n, got, c.low, c.high)
		}
	}
}
