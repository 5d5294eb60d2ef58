package meter_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// engineDir returns where the engine's source is, with its own test modules.
var engineDir = sync.OnceValue(func() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
})

var errFuel = errors.New("out of fuel")

var first sync.Once

// world is a runtime whose guests are metered, or not.
type world struct {
	wazero.Runtime
	metered bool
	quantum int64
	yields  int
	limit   int // of yields
}

func newWorld(t testing.TB, metered bool) *world {
	t.Helper()
	ctx := t.Context()
	// The engine finds out its own version with the first runtime, without a lock.
	first.Do(func() { wazero.NewRuntime(ctx).Close(ctx) })
	w := &world{
		Runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(1024)),
		metered: metered, quantum: 1 << 20, limit: 1 << 30,
	}
	t.Cleanup(func() { w.Close(context.Background()) })
	b := w.NewHostModuleBuilder(meter.Module)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(w.yield), nil, nil).Export(meter.Yield)
	if _, err := b.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) yield(_ context.Context, m api.Module, _ []uint64) {
	fuel := m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
	word := fuel.Get()
	w.yields++
	if w.yields > w.limit {
		panic(errFuel)
	}
	fuel.Set(word - uint64(meter.Left(word)) + uint64(w.quantum))
}

// load instantiates code; panics inside the rewriter are the test's failure.
func (w *world) load(ctx context.Context, code []byte, name string) (api.Module, error) {
	if w.metered {
		var err error
		if code, err = meter.Rewrite(code); err != nil {
			return nil, err
		}
	}
	return w.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
}
