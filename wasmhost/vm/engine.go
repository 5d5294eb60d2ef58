package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/weirproxy/weir/wasmhost/meter"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Options say how an Engine is made.
type Options struct {
	CacheDir string // where compiled code is kept; "": nowhere
	Log      *slog.Logger
}

// Engine compiles. It is safe for concurrent use; Close ends it, when all programs
// have been released.
type Engine struct {
	o        Options
	mu       sync.Mutex
	programs map[string]*Program
	compiled int // so far
}

// HostModule is what guests may import from a module called Name.
type HostModule struct {
	Name  string
	Funcs []HostFunc
}

// HostFunc is one host function.
type HostFunc struct {
	Name            string
	Params, Results []api.ValueType
	Call            api.GoModuleFunc
}

// Link is what one ABI offers to its guests, beside WASI preview 1, which all have.
type Link struct {
	Name    string // of the ABI; programs of one content and one ABI are shared
	Modules []HostModule
}

// Program is a compiled module. Whoever got it from Load releases it once.
type Program struct {
	Info    *wasm.Module // of the module as it came
	Hash    string       // SHA-256 of it, in hex
	engine  *Engine
	key     string
	users   int
	once    sync.Once
	err     error
	runtime wazero.Runtime
	code    wazero.CompiledModule
}

// NewEngine returns an engine that compiles to machine code. It fails where that is not
// possible, or the cache directory cannot be used.
func NewEngine(o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{o: o, programs: map[string]*Program{}}, nil
}

// Load returns the program of a module, compiled now if no other plugin has it.
func (e *Engine) Load(ctx context.Context, code []byte, link *Link) (*Program, error) {
	sum := sha256.Sum256(code)
	hash := hex.EncodeToString(sum[:])
	key := link.Name + " " + hash
	e.mu.Lock()
	p := e.programs[key]
	if p == nil {
		p = &Program{engine: e, key: key, Hash: hash}
		e.programs[key] = p
	}
	p.users++
	e.mu.Unlock()
	p.once.Do(func() { p.err = p.compile(ctx, code, link) })
	if p.err != nil {
		err := p.err
		p.Release()
		return nil, err
	}
	return p, nil
}

// Release gives p back. The last one frees its code, once its instances are closed.
func (p *Program) Release() {
	e := p.engine
	e.mu.Lock()
	p.users--
	last := p.users == 0
	if last {
		delete(e.programs, p.key)
	}
	e.mu.Unlock()
	if last && p.runtime != nil {
		p.runtime.Close(context.Background())
	}
}

func (p *Program) compile(ctx context.Context, code []byte, link *Link) (err error) {
	if p.Info, err = wasm.Parse(code); err != nil {
		return err
	}
	metered, err := meter.Rewrite(code)
	if err != nil {
		return fmt.Errorf("meter module: %w", err)
	}
	// A runtime of its own for each program: closing one must not take from another
	// what they share in the engine.
	config := wazero.NewRuntimeConfigCompiler()
	if dir := p.engine.o.CacheDir; dir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err != nil {
			return fmt.Errorf("open compilation cache: %w", err)
		}
		config = config.WithCompilationCache(cache)
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if p.code, err = p.runtime.CompileModule(ctx, metered); err != nil {
		return fmt.Errorf("compile module: %w", err)
	}
	p.engine.mu.Lock()
	p.engine.compiled++
	p.engine.mu.Unlock()
	return p.link(ctx, link)
}

// link makes the host modules that the program imports from.
func (p *Program) link(ctx context.Context, link *Link) error {
	b := p.runtime.NewHostModuleBuilder(meter.Module)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(yield), nil, nil).Export(meter.Yield)
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("link %s: %w", meter.Module, err)
	}
	for _, name := range []string{wasi_snapshot_preview1.ModuleName, "wasi_unstable"} {
		b := p.runtime.NewHostModuleBuilder(name)
		wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	for _, m := range link.Modules {
		b := p.runtime.NewHostModuleBuilder(m.Name)
		for _, f := range m.Funcs {
			b.NewFunctionBuilder().WithGoModuleFunction(f.Call, f.Params, f.Results).Export(f.Name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("link %s: %w", m.Name, err)
		}
	}
	return nil
}

// Stats are what an engine holds.
type Stats struct {
	Programs int // compiled and in use
	Compiled int // so far
}

// Stats returns the engine's counts.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{len(e.programs), e.compiled}
}
