package main

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/wasmhost"
)

// opening is a plugin that is being opened.
type opening struct {
	c      *config.Plugin
	code   []byte
	plugin *wasmhost.Plugin
	err    error
}

// openPlugins opens all plugins that are used, several at a time: to compile one may take
// seconds. What fails is noted.
func (b *builder) openPlugins() {
	if b.world.told != nil {
		return // who explains runs no guest
	}
	var all []*opening
	pluginUses(b.c, func(u *config.PluginUse, enabled bool) {
		c, _ := b.usedPlugin(u)
		key := pluginKey(c)
		if _, known := b.plugins.open[key]; known || !enabled {
			return
		}
		b.plugins.open[key] = nil
		if code, err := b.code(c); err != nil {
			b.fail(c.Pos, b.c.Pos, err)
		} else if b.mayCall(&c.Grants) {
			all = append(all, &opening{c: c, code: code})
		}
	})
	if len(all) == 0 {
		return
	}
	host, err := b.world.openHost()
	if err != nil {
		b.fail(all[0].c.Pos, b.c.Pos, err)
		return
	}
	b.openAll(host, all)
	for _, o := range all {
		if o.err != nil {
			b.failPlugin(o.c.Pos, o.c, o.err)
			continue
		}
		b.plugins.open[pluginKey(o.c)] = o.plugin
		if g := &o.c.Grants; len(g.Store)+len(g.Keys) > 0 && o.plugin.ABI() != "proxy-wasm" {
			b.failPlugin(g.Pos, o.c, hinted{
				fmt.Errorf("it speaks %s, which has no way to ask for the store or a key", o.plugin.ABI()),
				"remove store and keys from grants; filters and modules of Proxy-Wasm have them",
			})
		}
	}
}

// openAll opens as many at a time as there are processors.
func (b *builder) openAll(host *wasmhost.Host, all []*opening) {
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for _, o := range all {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			o.plugin, o.err = host.Open(b.ctx, o.code, settingsOfPlugin(o.c))
		})
	}
	wg.Wait()
}

// pluginUses calls f for every use of a plugin in a configuration, and tells whether that
// is enabled.
func pluginUses(c *config.Config, f func(u *config.PluginUse, enabled bool)) {
	rule := func(r *config.Rule, enabled bool) {
		for i := range r.Filters {
			f(&r.Filters[i], enabled)
		}
		if r.Module != nil {
			f(r.Module, enabled)
		}
	}
	for i := range c.Filters {
		f(&c.Filters[i], true)
	}
	for _, s := range c.Sites {
		rule(&s.Rule, s.Enabled)
		for _, r := range s.Routes {
			rule(&r.Rule, s.Enabled && r.Enabled)
		}
	}
}
