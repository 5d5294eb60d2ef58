package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/upstream"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// plugins are what outlives configurations of them: the host of their guests, the pools
// that guests may call, and the counts of plugins that are gone. The host is made when
// the first plugin is opened: who has none pays nothing for it.
type plugins struct {
	mu      sync.Mutex
	host    *wasmhost.Host
	callees map[string][]*upstream.Pool // by what guests call them, that of the last build last

	retiring sync.Mutex                 // held while plugins are closed
	retired  map[string]*guest.Counters // of those, by name
}

func newPlugins() *plugins {
	return &plugins{callees: map[string][]*upstream.Pool{}, retired: map[string]*guest.Counters{}}
}

// openHost returns the host, made now if there is none.
func (w *world) openHost() (*wasmhost.Host, error) {
	p := w.plugins
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != nil {
		return p.host, nil
	}
	o := wasmhost.Options{Log: w.log, CacheDir: w.compileCache(), Upstream: w.callee, Services: w.services()}
	host, err := wasmhost.New(o)
	if err != nil && o.CacheDir != "" {
		w.log.Warn(notKept, "err", err)
		o.CacheDir = ""
		host, err = wasmhost.New(o)
	}
	if err != nil {
		return nil, err
	}
	if mode, why := host.Mode(); mode != "compiler" {
		w.log.Warn("plugins are slow: they cannot be compiled here", "mode", mode, "err", why)
	}
	p.host = host
	return host, nil
}

// current returns the host, or nil while there was no plugin.
func (p *plugins) current() *wasmhost.Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.host
}

const notKept = "compiled plugins are not kept: each start compiles them again"

// compileCache returns where compiled modules are kept. Who only looks makes no
// directory, and uses that of another user neither: what root wrote there, weir could not
// read.
func (w *world) compileCache() string {
	if w.data == "" {
		return ""
	}
	dir := filepath.Join(w.data, "wasm-cache")
	info, err := os.Stat(dir)
	switch {
	case err == nil && w.dry:
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != os.Geteuid() {
			return ""
		}
	case w.dry:
		return ""
	case errors.Is(err, fs.ErrNotExist):
		if err = os.MkdirAll(dir, 0o700); err != nil {
			w.log.Warn(notKept, "err", err)
			return ""
		}
	}
	return dir
}

// errDry ends calls of guests where nobody is to be asked.
var errDry = errors.New("who only checks a configuration asks no upstream")

// callee finds what a guest calls: of several configurations that are in use during a
// reload, the last one's.
func (w *world) callee(target string) (guest.Upstream, error) {
	p := w.plugins
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.callees[target]
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no upstream %s", target)
	}
	return callee{all[len(all)-1], w.dry}, nil
}

// callee is a pool as guests see it.
type callee struct {
	pool *upstream.Pool
	dry  bool
}

// Do implements guest.Upstream.
func (c callee) Do(call *exchange.Call, resp *exchange.Response) error {
	if c.dry {
		return errDry
	}
	_, err := c.pool.Do(call, resp)
	return err
}

// call lets guests call a pool by that name until end is called.
func (p *plugins) call(name string, pool *upstream.Pool) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.callees[name] = append(p.callees[name], pool)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, other := range p.callees[name] {
			if other == pool {
				p.callees[name] = append(p.callees[name][:i:i], p.callees[name][i+1:]...)
				break
			}
		}
		if len(p.callees[name]) == 0 {
			delete(p.callees, name)
		}
	}
}

// retire runs end, and keeps the counts of the plugins that are gone afterwards, so that
// no metric goes backwards.
func (p *plugins) retire(end func()) {
	p.retiring.Lock()
	defer p.retiring.Unlock()
	host := p.current()
	if host == nil {
		end()
		return
	}
	before := host.Status()
	end()
	left := map[*guest.Counters]bool{}
	for _, s := range host.Status() {
		left[s.Counters] = true
	}
	for _, s := range before {
		if left[s.Counters] {
			continue
		}
		if p.retired[s.Name] == nil {
			p.retired[s.Name] = new(guest.Counters)
		}
		addCounters(p.retired[s.Name], s.Counters)
	}
}

// trim has plugins close instances that nobody has used for a while.
func (p *plugins) trim() {
	if host := p.current(); host != nil {
		host.Trim()
	}
}

// lastWait is how long a process that ends waits for a compilation that nobody wants.
const lastWait = 500 * time.Millisecond

// close ends the host. All snapshots have been closed. What is still being compiled is
// not waited for long: that cannot be stopped, and the process ends.
func (p *plugins) close() {
	host := p.current()
	if host == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		host.Close()
	}()
	select {
	case <-closed:
	case <-time.After(lastWait):
	}
}
