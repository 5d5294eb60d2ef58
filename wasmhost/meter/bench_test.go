package meter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weirproxy/weir/wasmhost/corpus"
	"github.com/weirproxy/weir/wasmhost/meter"
)

// made returns the kernels as one toolchain makes them, or skips where it is missing.
func made(b *testing.B, toolchain string) []byte {
	b.Helper()
	out := filepath.Join(b.TempDir(), "kernels.wasm")
	var cmd *exec.Cmd
	switch toolchain {
	case "C":
		cmd = exec.Command("clang", "--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-o", out, "testdata/kernels.c")
		for _, name := range []string{"clang-19", "clang-14"} {
			if path, err := exec.LookPath(name); err == nil {
				cmd.Path, cmd.Err = path, nil
			}
		}
	case "AssemblyScript":
		cache, err := corpus.Cache()
		if err != nil {
			b.Fatal(err)
		}
		found, _ := filepath.Glob(filepath.Join(cache, "npm-*/node_modules/assemblyscript/bin/asc"))
		if len(found) == 0 {
			b.Skip("the corpus has not been made: there is no AssemblyScript")
		}
		cmd = exec.Command("node", found[0], "testdata/kernels.ts", "-O3", "-o", out)
	case "Go":
		cmd = exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, "./testdata/kernels")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	}
	if cmd.Err != nil {
		b.Skip(cmd.Err)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, text)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return code
}

// BenchmarkKernels runs small functions with and without metering by turns, and takes the
// best time of each, so that the ratio holds on a machine that has other things to do.
// It also tells how much fuel is burnt in a microsecond: 1000 is what vm.Limits says.
func BenchmarkKernels(b *testing.B) {
	for _, c := range []struct {
		toolchain string
		kernels   map[string]uint64
	}{
		{"C", map[string]uint64{"sum": 500_000, "hash": 500, "lower": 100, "digits": 20_000, "matrix": 100,
			"leaves": 300_000, "fib": 24, "tree": 24, "indirect": 100_000, "chase": 5_000}},
		{"AssemblyScript", map[string]uint64{"sum": 500_000, "fib": 24, "text": 200}},
		{"Go", map[string]uint64{"sum": 200_000, "fib": 20, "alloc": 500, "iface": 10_000, "text": 30, "deep": 1000}},
	} {
		b.Run(c.toolchain, func(b *testing.B) {
			code := made(b, c.toolchain)
			plain, metered := newKernels(b, code, false), newKernels(b, code, true)
			for name, n := range c.kernels {
				b.Run(name, func(b *testing.B) { compete(b, plain, metered, name, n) })
			}
		})
	}
}

func newKernels(b *testing.B, code []byte, metered bool) api.Module {
	w := newWorld(b, metered)
	if _, err := wasi_snapshot_preview1.Instantiate(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	if err := stubAbort(b, w); err != nil {
		b.Fatal(err)
	}
	m, err := w.load(b.Context(), code, "")
	if err != nil {
		b.Fatal(err)
	}
	if start := m.ExportedFunction("_initialize"); start != nil {
		if _, err := start.Call(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return m
}

// stubAbort is what AssemblyScript imports.
func stubAbort(b *testing.B, w *world) error {
	i32 := api.ValueTypeI32
	_, err := w.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(nil), []api.ValueType{i32, i32, i32, i32}, nil).Export("abort").Instantiate(b.Context())
	return err
}

func compete(b *testing.B, plain, metered api.Module, name string, n uint64) {
	fuel := metered.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
	var best [2]time.Duration
	var burnt int64
	stack := []uint64{0}
	for b.Loop() {
		for k, m := range []api.Module{plain, metered} {
			f := m.ExportedFunction(name)
			const full = 1 << 40
			fuel.Set(full)
			stack[0] = n
			begin := time.Now()
			if err := f.CallWithStack(b.Context(), stack); err != nil {
				b.Fatal(err)
			}
			took := time.Since(begin)
			if best[k] == 0 || took < best[k] {
				best[k] = took
			}
			burnt = full - meter.Left(fuel.Get())
		}
	}
	b.ReportMetric(float64(best[0].Nanoseconds()), "plain-ns")
	b.ReportMetric(float64(best[1].Nanoseconds()), "metered-ns")
	b.ReportMetric(100*float64(best[1]-best[0])/float64(best[0]), "%more")
	b.ReportMetric(1000*float64(burnt)/float64(best[0].Nanoseconds()), "fuel/µs")
}
