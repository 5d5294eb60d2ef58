package meter_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/corpus"
	"github.com/weirproxy/weir/wasmhost/meter"
)

// What others have made is instantiated, and does not grow by much: small guests, in which
// each function calls the host, by more than large ones.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		most float64 // of its size
		big  bool
	}{
		{"c/headers", 1.4, false}, {"c/cgi", 1.2, false}, {"rust/headers", 1.2, false}, {"assemblyscript", 1.25, false},
		{"tinygo/router", 1.2, false}, {"mosn", 1.125, false}, {"go/http_headers", 1.125, false},
		{"coraza", 1.125, true}, {"python", 1.125, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.big && (testing.Short() || raced) {
				t.Skip("it takes seconds to compile, and minutes under the race detector")
			}
			code := corpus.Read(t, c.name)
			out, err := meter.Rewrite(code)
			if err != nil {
				t.Fatal(err)
			}
			if most := int(c.most * float64(len(code))); len(out) > most {
				t.Errorf("got %d bytes of %d, want %d at most", len(out), len(code), most)
			}
			w := newWorld(t, false)
			compiled, err := w.CompileModule(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			w.standIn(t, compiled)
			m, err := w.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
			if err != nil {
				t.Fatal(err)
			}
			if m.ExportedGlobal(meter.Fuel) == nil {
				t.Errorf("got no global %q", meter.Fuel)
			}
		})
	}
}

// standIn makes host functions that return zeros of all that m imports.
func (w *world) standIn(t testing.TB, m wazero.CompiledModule) {
	t.Helper()
	builders := map[string]wazero.HostModuleBuilder{}
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		if module == meter.Module {
			continue
		}
		if builders[module] == nil {
			builders[module] = w.NewHostModuleBuilder(module)
		}
		zeros := func(_ context.Context, stack []uint64) { clear(stack[:len(f.ResultTypes())]) }
		builders[module].NewFunctionBuilder().WithGoFunction(api.GoFunc(zeros), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	for name, b := range builders {
		if _, err := b.Instantiate(t.Context()); err != nil {
			t.Fatal(fmt.Errorf("stand in for %s: %w", name, err))
		}
	}
}

// BenchmarkRewrite tells by how much modules grow, too.
func BenchmarkRewrite(b *testing.B) {
	for _, name := range []string{"rust/headers", "go/http_headers", "coraza"} {
		b.Run(name, func(b *testing.B) {
			code := corpus.Read(b, name)
			b.SetBytes(int64(len(code)))
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				out, err := meter.Rewrite(code)
				if err != nil {
					b.Fatal(err)
				}
				size = len(out)
			}
			b.ReportMetric(100*float64(size-len(code))/float64(len(code)), "%larger")
		})
	}
}

// BenchmarkCompile is the engine's time for a module as it is, and metered.
func BenchmarkCompile(b *testing.B) {
	for _, name := range []string{"rust/headers", "go/http_headers"} {
		code := corpus.Read(b, name)
		out, err := meter.Rewrite(code)
		if err != nil {
			b.Fatal(err)
		}
		for form, code := range map[string][]byte{"plain": code, "metered": out} {
			b.Run(name+"/"+form, func(b *testing.B) {
				for b.Loop() {
					w := newWorld(b, false)
					if _, err := w.CompileModule(b.Context(), code); err != nil {
						b.Fatal(err)
					}
					w.Close(b.Context())
				}
			})
		}
	}
}
