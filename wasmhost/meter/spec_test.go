//go:build !race

// Thousands of modules on one goroutine: minutes for the race detector, and no race.

package meter_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// script is what wast2json makes of a test of the specification.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Name       string `json:"name"`
	As         string `json:"as"`
	Filename   string `json:"filename"`
	ModuleType string `json:"module_type"`
	Action     action `json:"action"`
}

type action struct {
	Type   string  `json:"type"`
	Field  string  `json:"field"`
	Module string  `json:"module"`
	Args   []value `json:"args"`
}

type value struct {
	Type  string `json:"type"`
	Lane  string `json:"lane_type"`
	Value any    `json:"value"`
}

// words returns v as the engine takes it.
func (v value) words() []uint64 {
	switch lanes := v.Value.(type) {
	case []any:
		var b []byte
		for _, lane := range lanes {
			n, _ := strconv.ParseUint(lane.(string), 10, 64)
			b = binary.LittleEndian.AppendUint64(b, n)[:len(b)+16/len(lanes)]
		}
		return []uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	case string:
		n, _ := strconv.ParseUint(lanes, 10, 64)
		if strings.HasSuffix(v.Type, "ref") && lanes != "null" {
			n++
		}
		return []uint64{n}
	}
	return []uint64{0}
}

// player plays a script in one world, and notes what comes of every command.
type player struct {
	*world
	dir     string
	modules map[string]api.Module
	last    api.Module
}

func newPlayer(t *testing.T, dir string, metered bool) *player {
	p := &player{world: newWorld(t, metered), dir: dir, modules: map[string]api.Module{}}
	code, err := os.ReadFile(filepath.Join(engineDir(), "internal/integration_test/spectest/testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.load(t.Context(), code, "spectest"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *player) play(ctx context.Context, c command, as string) (string, error) {
	switch c.Type {
	case "module", "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return "", nil
		}
		code, err := os.ReadFile(filepath.Join(p.dir, c.Filename))
		if err != nil {
			panic(err)
		}
		m, err := p.load(ctx, code, as)
		if c.Type == "module" {
			p.last = m
			if c.Name != "" {
				p.modules[c.Name] = m
			}
		}
		return "", err
	case "assert_return", "assert_trap", "assert_exhaustion", "action":
		return p.act(ctx, c.Action)
	}
	return "", nil
}

func (p *player) act(ctx context.Context, a action) (string, error) {
	m := p.last
	if a.Module != "" {
		m = p.modules[a.Module]
	}
	if m == nil {
		return "no module", nil
	}
	if a.Type == "get" {
		return fmt.Sprint(m.ExportedGlobal(a.Field).Get()), nil
	}
	f := m.ExportedFunction(a.Field)
	if f == nil {
		return "no function", nil
	}
	var args []uint64
	for _, v := range a.Args {
		args = append(args, v.words()...)
	}
	// What a trap left behind is not taken off: who enters begins anew.
	if g, ok := m.ExportedGlobal(meter.Fuel).(api.MutableGlobal); ok {
		g.Set(0)
	}
	results, err := f.Call(ctx, args...)
	for i, t := range f.Definition().ResultTypes() {
		if i < len(results) && t == 0x70 && results[i] != 0 {
			results[i] = 1 // the address of some function
		}
	}
	return fmt.Sprint(results), err
}

func cause(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	line, _, _ = strings.Cut(line, " (recovered")
	return line
}

// The specification's own tests give the same results with and without metering: what
// is valid stays so, what is not is refused, traps are the same traps.
func TestSpecification(t *testing.T) {
	t.Parallel()
	for dir, quantum := range map[string]int64{"v1": 1 << 20, "v2": 1} { // 1: nearly every check yields
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(engineDir(), "internal/integration_test/spectest", dir, "testdata")
			files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
			commands := 0
			for _, file := range files {
				commands += compare(t, dir, file, quantum)
			}
			if commands < 18_000 {
				t.Errorf("got %d commands, want at least 18000", commands)
			}
		})
	}
}

func compare(t *testing.T, dir, file string, quantum int64) int {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	plain, metered := newPlayer(t, dir, false), newPlayer(t, dir, true)
	metered.quantum = quantum
	defer plain.Close(t.Context())
	defer metered.Close(t.Context())
	for i, c := range s.Commands {
		as := ""
		if rest := s.Commands[i+1:]; len(rest) > 0 && rest[0].Type == "register" {
			as = rest[0].As
		}
		want, wantErr := plain.play(t.Context(), c, as)
		got, gotErr := metered.play(t.Context(), c, as)
		loads := slices.Contains([]string{"module", "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable"}, c.Type)
		if loads && (wantErr == nil) == (gotErr == nil) {
			continue
		}
		if got != want || cause(gotErr) != cause(wantErr) {
			t.Errorf("%s:%d: %s %s %s:\n got %s, %v\nwant %s, %v", filepath.Base(file), c.Line, c.Type, c.Filename, c.Action.Field, got, gotErr, want, wantErr)
		}
	}
	return len(s.Commands)
}
