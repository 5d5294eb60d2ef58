package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/filters"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/services"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// builtPlugins are those that one build has opened, and what it made of them. They are
// given back together, the things before the plugins.
type builtPlugins struct {
	code     map[string]module           // by path
	read     map[string]fs.FileInfo      // of those, what was read
	open     map[string]*wasmhost.Plugin // by name and settings; nil: it failed
	filters  map[string]exchange.Filter  // by plugin, root id and configuration
	handlers map[string]exchange.Handler
	called   map[string]bool // what guests may call
	closing  bool            // the snapshot will give all back
	backs    []func()
}

func newBuiltPlugins() builtPlugins {
	return builtPlugins{
		code: map[string]module{}, read: map[string]fs.FileInfo{}, open: map[string]*wasmhost.Plugin{}, called: map[string]bool{},
		filters: map[string]exchange.Filter{}, handlers: map[string]exchange.Handler{},
	}
}

type module struct {
	code []byte
	err  error
}

// filters makes the filters of a list.
func (b *builder) filters(list []config.PluginUse) (all []exchange.Filter) {
	for i := range list {
		if f := use(b, &list[i], b.plugins.filters, (*wasmhost.Plugin).Filter); f != nil {
			all = append(all, f)
		}
	}
	return all
}

// module makes the handler of a module that answers.
func (b *builder) module(u *config.PluginUse) exchange.Handler {
	return use(b, u, b.plugins.handlers, (*wasmhost.Plugin).Handler)
}

// use makes something of a plugin for one place; places that want the same share it. It
// returns the zero T for what failed, which has been noted, or is only explained.
func use[T any](b *builder, u *config.PluginUse, made map[string]T, of func(*wasmhost.Plugin, context.Context, guest.Use) (T, func(), error)) (none T) {
	if b.world.told != nil {
		return none // who explains runs no guest
	}
	c, want := b.usedPlugin(u)
	key := fmt.Sprintf("%s %q %q", pluginKey(c), want.Root, want.Config)
	if c.Isolation == "filter" {
		key += fmt.Sprintf(" %p", u)
	}
	if one, ok := made[key]; ok {
		return one
	}
	p := b.plugins.open[pluginKey(c)]
	if p == nil {
		return none
	}
	one, back, err := of(p, b.ctx, want)
	if err != nil {
		b.failPlugin(cmp.Or(u.Plugin.Config.Pos, u.Pos), c, err)
		made[key] = none
		return none
	}
	b.plugins.backs = append(b.plugins.backs, back)
	made[key] = one
	return one
}

// usedPlugin returns the plugin of a place, and what it is to do there.
func (b *builder) usedPlugin(u *config.PluginUse) (*config.Plugin, guest.Use) {
	c := &u.Plugin
	if name := u.Name.Text; name != "" {
		i := slices.IndexFunc(b.c.Plugins, func(p *config.Plugin) bool { return p.Name == name })
		if i < 0 { // names were checked when they were read: it is a bundled one
			return bundled(u)
		}
		c = b.c.Plugins[i]
	}
	want := guest.Use{Root: cmp.Or(u.Plugin.RootID, c.RootID), Config: []byte(c.Config.Text)}
	if u.Plugin.Config.Pos.Line > 0 {
		want.Config = []byte(u.Plugin.Config.Text)
	}
	return c, want
}

// bundled returns the plugin of all bundled filters, and which of them is meant.
func bundled(u *config.PluginUse) (*config.Plugin, guest.Use) {
	c := config.BundledPlugin()
	c.Pos = u.Pos
	return &c, guest.Use{Root: u.Name.Text, Config: []byte(u.Plugin.Config.Text)}
}

// givesBack has the snapshot give back what is opened from now on.
func (b *builder) givesBack() {
	if !b.plugins.closing {
		b.plugins.closing = true
		b.closers = append(b.closers, func() { b.world.plugins.retire(b.plugins.giveBack) })
	}
}

// giveBack gives back all that a build has opened.
func (p *builtPlugins) giveBack() {
	for _, back := range p.backs {
		back()
	}
	for _, one := range p.open {
		if one != nil {
			one.Close()
		}
	}
}

func (b *builder) failPlugin(at config.Pos, c *config.Plugin, err error) {
	b.failWith(at, c.Wasm+": "+err.Error(), hintFor(err))
}

// code reads the module of a plugin, once for all that have the same.
func (b *builder) code(c *config.Plugin) ([]byte, error) {
	m, ok := b.plugins.code[c.Wasm]
	switch {
	case ok:
	case c.Wasm == config.BundledModule:
		m.code, m.err = filters.Module()
		b.plugins.code[c.Wasm] = m
	default:
		if info, err := os.Stat(c.Wasm); err == nil {
			b.plugins.read[c.Wasm] = info // before it is read: what changes by then is seen as changed
		}
		m.code, m.err = readModule(c.Wasm)
		b.plugins.code[c.Wasm] = m
	}
	if m.err != nil {
		return nil, m.err
	}
	if sum := sha256.Sum256(m.code); c.SHA256 != "" && hex.EncodeToString(sum[:]) != c.SHA256 {
		return nil, hinted{
			fmt.Errorf("%s is not the module that sha256 names: it has %x", c.Wasm, sum),
			"if it was meant to change, write its new sum",
		}
	}
	return m.code, nil
}

// readModule reads a whole file, if it can be a module at all.
func readModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, fmt.Errorf("read %s: it is no file", path))
	} else if info.Size() < vm.MaxModule {
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	if n, err := b.ReadFrom(io.LimitReader(f, vm.MaxModule+1)); err != nil || n > vm.MaxModule {
		return nil, cmp.Or(err, fmt.Errorf("read %s: larger than %d MiB", path, vm.MaxModule>>20))
	}
	return b.Bytes(), nil
}

// mayCall has guests find what they are granted. It tells whether all of it is there.
func (b *builder) mayCall(g *config.Grants) bool {
	b.givesBack()
	before := len(b.errs)
	add := func(target string, pool builtPool) {
		if !b.plugins.called[target] && pool.Pool != nil {
			b.plugins.called[target] = true
			b.plugins.backs = append(b.plugins.backs, b.world.plugins.call(target, pool.Pool))
		}
	}
	for _, name := range g.Upstreams {
		i := slices.IndexFunc(b.c.Upstreams, func(p *config.Pool) bool { return p.Name == name.Text })
		c := b.c.Upstreams[i] // names were checked when they were read
		add(name.Text, builtPool{Pool: b.pool(c, c.To, c.Name)})
	}
	for _, u := range g.URLs {
		c := config.PoolOf(u.Text)
		add(u.Text, builtPool{Pool: b.pool(c, c.To, poolName(c.To))})
	}
	return len(b.errs) == before
}

// pluginName is what logs and metrics call a plugin.
func pluginName(c *config.Plugin) string {
	return cmp.Or(c.Name, strings.TrimSuffix(filepath.Base(c.Wasm), ".wasm"))
}

// pluginKey tells plugins with different settings apart. The configuration belongs to
// the place of use.
func pluginKey(c *config.Plugin) string {
	if c.Wasm == config.BundledModule {
		return "\x00" + c.Name // there may be a plugin of that name
	}
	if c.Name != "" {
		return c.Name
	}
	return fmt.Sprintf("%q %#v", c.Wasm, settingsOfPlugin(c))
}

// ownVM begins the names of what guests share whose VM a configuration gives no id: no id
// begins so.
const ownVM = "\x00"

// settingsOfPlugin says to package wasmhost what c says.
func settingsOfPlugin(c *config.Plugin) wasmhost.Settings {
	s := wasmhost.Settings{
		Name: pluginName(c), Limits: limitsOfPlugin(&c.Limits), Open: c.OnError == "open",
		Own: c.Isolation == "filter", Fresh: c.Isolation == "request",
		VMID: c.VMID, Config: []byte(c.VMConfig.Text), HoldHeaders: c.HoldHeaders, Interpret: c.Interpreter, Args: c.Args,
		Grants: grantsOf(&c.Grants), Store: cmp.Or(c.Name, filepath.Base(c.Wasm)), Room: c.Limits.Store,
	}
	if s.VMID == "" {
		s.Space = ownVM + c.Name
		if c.Name == "" {
			sum := sha256.Sum256(fmt.Appendf(nil, "%q %#v", c.Wasm, s))
			s.Space = ownVM + s.Name + "-" + hex.EncodeToString(sum[:4])
		}
	}
	return s
}

func limitsOfPlugin(l *config.PluginLimits) vm.Limits {
	return vm.Limits{
		Memory: l.Memory, CPU: l.CPU, Request: l.RequestCPU, Start: l.Start, Wall: l.Wall,
		Instances: l.Instances, Queue: l.Queue, Body: l.Body, Logs: l.Logs, Calls: l.Calls,
	}
}

func grantsOf(c *config.Grants) (g wasmhost.Grants) {
	for _, e := range c.Env {
		g.Env = append(g.Env, [2]string{e.Name, e.Value})
	}
	for _, m := range c.Files {
		g.Files = append(g.Files, guest.Mount{Guest: m.Guest, Host: m.Host, Write: m.Write})
	}
	for _, u := range c.Upstreams {
		g.Upstreams = append(g.Upstreams, u.Text)
	}
	for _, u := range c.URLs {
		g.URLs = append(g.URLs, u.Text)
	}
	g.Store = c.Store
	for i := range c.Keys {
		k := &c.Keys[i]
		g.Keys = append(g.Keys, services.Key{Name: k.Name, Secret: []byte(k.Secret), Seed: k.Seed()})
	}
	return g
}

// wasmFiles are the modules that a configuration uses, for those who watch them.
func wasmFiles(c *config.Config) (all []string) {
	for _, p := range c.Plugins {
		all = append(all, p.Wasm)
	}
	pluginUses(c, func(u *config.PluginUse, _ bool) {
		if u.Name.Text == "" {
			all = append(all, u.Plugin.Wasm)
		}
	})
	slices.Sort(all)
	return slices.Compact(all)
}
