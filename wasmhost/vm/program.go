package vm

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/meter"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Program is a compiled module. Whoever got it from Load releases it once.
type Program struct {
	Info    *wasm.Module // of the module as it came
	Hash    string       // SHA-256 of it, in hex
	engine  *Engine
	key     string
	users   int // who loaded it, its instances and images
	ready   chan struct{}
	left    chan struct{} // closed when who compiled it uses it no longer
	err     error         // once ready
	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil: none
	code    wazero.CompiledModule
	exports map[string]api.FunctionDefinition
	globals []int               // the module's mutable ones: see meter.Metered
	hides   string              // why it cannot be frozen; "": it can
	config  wazero.ModuleConfig // of all instances
	made    atomic.Uint32       // instances, so far

	// The first instantiation writes to what the later ones read (wazero #929).
	first   sync.Mutex
	started atomic.Bool
}

// Release gives p back. Its code is freed when all have, and its instances are closed.
func (p *Program) Release() {
	e := p.engine
	e.mu.Lock()
	p.users--
	last := p.users == 0
	if last && e.programs[p.key] == p {
		delete(e.programs, p.key)
	}
	e.mu.Unlock()
	if last {
		p.close()
	}
}

func (p *Program) retain() {
	p.engine.mu.Lock()
	p.users++
	p.engine.mu.Unlock()
}

func (p *Program) close() {
	if p.runtime != nil {
		p.runtime.Close(context.Background())
	}
	if p.cache != nil {
		p.cache.Close(context.Background())
	}
	p.runtime, p.cache, p.code = nil, nil, nil
}

func (p *Program) compile(code []byte, link *Link) (err error) {
	// What the engine panics about in a stranger's module must not end the process.
	defer func() {
		if r := recover(); r != nil {
			p.engine.o.Log.Error("compiler panicked", "hash", p.Hash, "err", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("compile module: %v", r)
		}
		if err != nil {
			p.close()
		}
	}()
	if p.Info, err = wasm.Parse(code); err != nil {
		return err
	}
	out, err := meter.Examine(code)
	if err != nil {
		return fmt.Errorf("meter module: %w", err)
	}
	p.globals, p.hides = out.Globals, out.Hides
	metered := out.Code
	if p.engine.cache != nil && !link.Interpret {
		if err = p.build(metered, link, p.engine.cache); err == nil {
			return nil
		}
		p.close()
	}
	// A module that is wrong fails again, now for that reason alone.
	return p.build(metered, link, nil)
}

// build compiles and links, with what the cache has.
func (p *Program) build(metered []byte, link *Link, cache *diskCache) (err error) {
	// A runtime of its own for each program: closing one must not take from another
	// what they share in the engine (wazero #2336, #2459).
	config := wazero.NewRuntimeConfigCompiler()
	if mode, _ := p.engine.Mode(); link.Interpret || mode != "compiler" {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = config.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
	var kept entry
	if cache != nil {
		if kept, err = cache.entry(metered); err != nil {
			return fmt.Errorf("open compilation cache: %w", err)
		}
		defer kept.drop()
		if p.cache, err = wazero.NewCompilationCacheWithDir(kept.dir); err != nil {
			return fmt.Errorf("open compilation cache: %w", err)
		}
		config = config.WithCompilationCache(p.cache)
	}
	ctx := context.Background()
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err = p.link(ctx, link); err != nil {
		return err
	}
	// One worker: a panic in another goroutine of the engine's could not be caught.
	if p.code, err = p.runtime.CompileModule(ctx, metered); err != nil {
		return fmt.Errorf("compile module: %w", err)
	}
	if cache != nil {
		if err := kept.publish(); err != nil {
			p.engine.o.Log.Warn("compiled code not kept", "dir", cache.dir, "err", err)
		}
	}
	p.exports = p.code.ExportedFunctions()
	p.config = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithSysWalltime().WithSysNanotime()
	return nil
}
