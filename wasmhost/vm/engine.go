package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// MaxModule is how many bytes a module may have.
const MaxModule = 256 << 20

// Options say how an Engine is made.
type Options struct {
	// CacheDir is where compiled code is kept: a directory of nobody else's, since what
	// lies there is run; it is made if it is not there. "": nowhere.
	CacheDir string
	Log      *slog.Logger // nil: nowhere
	// Patience is how long Load waits for a compilation, which cannot be ended; 5 minutes.
	// There are modules of some KiB that the compiler takes hours for.
	Patience time.Duration
}

// Engine compiles. It is safe for concurrent use; Close ends it, when all programs
// have been released.
type Engine struct {
	o         Options
	cache     *diskCache    // nil: none
	slots     chan struct{} // one for each compilation that may run at a time
	memories  memories
	native    nativeStacks
	instances atomic.Int64
	mu        sync.Mutex
	programs  map[string]*Program
	compiled  int // so far
}

// NewEngine returns an engine. It fails where the cache directory cannot be used.
func NewEngine(o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute
	}
	engineMode()
	e := &Engine{o: o, programs: map[string]*Program{}}
	e.slots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	if o.CacheDir != "" {
		var err error
		if e.cache, err = openCache(o.CacheDir); err != nil {
			return nil, fmt.Errorf("open compilation cache: %w", err)
		}
	}
	return e, nil
}

// Mode tells how guests are run: "compiler", as machine code, or "interpreter", some
// twenty times slower, and then why.
func (e *Engine) Mode() (mode, reason string) { return engineMode() }

// Load returns the program of a module, compiled now if no other plugin has it. It waits
// for that until ctx ends, or its patience does; the compilation goes on for others who
// want it.
func (e *Engine) Load(ctx context.Context, code []byte, link *Link) (*Program, error) {
	if len(code) > MaxModule {
		return nil, fmt.Errorf("load module: it has %d bytes; %d are allowed", len(code), MaxModule)
	}
	sum := sha256.Sum256(code)
	hash := hex.EncodeToString(sum[:])
	key := fmt.Sprint(link.Name, " ", link.Interpret, " ", hash)
	e.mu.Lock()
	p := e.programs[key]
	if p == nil {
		p = &Program{engine: e, key: key, Hash: hash, ready: make(chan struct{}), left: make(chan struct{}), users: 1}
		e.programs[key] = p
		go e.compile(p, code, link)
	}
	p.users++
	e.mu.Unlock()
	timer := time.NewTimer(e.o.Patience)
	defer timer.Stop()
	select {
	case <-p.ready:
	case <-timer.C:
		p.Release()
		return nil, fmt.Errorf("load module: it has not been compiled after %v; is it made to take long?", e.o.Patience)
	case <-ctx.Done():
		p.Release()
		return nil, fmt.Errorf("load module: %w", context.Cause(ctx))
	}
	if p.err != nil {
		p.Release()
		return nil, p.err
	}
	return p, nil
}

// compile makes p ready. It is a user of p meanwhile.
func (e *Engine) compile(p *Program, code []byte, link *Link) {
	defer close(p.left)
	defer p.Release()
	defer close(p.ready)
	e.slots <- struct{}{}
	defer func() { <-e.slots }()
	p.err = p.compile(code, link)
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.err == nil {
		e.compiled++
	} else if e.programs[p.key] == p {
		delete(e.programs, p.key) // who comes next tries again
	}
}

// Close waits for compilations that nobody has waited for, but not for long.
func (e *Engine) Close() {
	e.mu.Lock()
	list := slices.Collect(maps.Values(e.programs))
	e.mu.Unlock()
	timer := time.NewTimer(min(e.o.Patience, 10*time.Second))
	defer timer.Stop()
	for _, p := range list {
		select {
		case <-p.left:
			continue
		case <-timer.C:
			e.o.Log.Warn("compilation left behind", "hash", p.Hash)
		}
		break
	}
	e.memories.close()
	e.native.spare.close()
}

// Stats are what an engine holds.
type Stats struct {
	Programs  int   // compiled and in use
	Compiled  int   // so far
	Instances int64 // alive
	Memory    int64 // bytes of linear memory, of those
}

// Stats returns the engine's counts.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{len(e.programs), e.compiled, e.instances.Load(), e.memories.live.Load()}
}

// engineMode is asked before anything else is: the engine finds out its own version when
// it is first used, and writes it to a variable without a lock.
var engineMode = sync.OnceValues(probe)

// probe asks the engine what it can do here; it has no better answer than to panic.
func probe() (mode, reason string) {
	defer func() {
		if r := recover(); r != nil {
			mode, reason = "interpreter", fmt.Sprintf("%s/%s: %v", runtime.GOOS, runtime.GOARCH, r)
		}
	}()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2))
	defer r.Close(ctx)
	// A host function needs a trampoline, and so executable memory.
	b := r.NewHostModuleBuilder("probe")
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), nil, nil).Export("f")
	if _, err := b.Instantiate(ctx); err != nil {
		return "interpreter", err.Error()
	}
	return "compiler", ""
}
