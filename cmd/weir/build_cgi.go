package main

import (
	"context"
	"path"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/cgi"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// cgi puts the programs of a root in front of its files, so that whatever else the root
// says, no source is served.
func (b *builder) cgi(c *config.Static, files exchange.Handler) exchange.Handler {
	if c.CGI == nil || files == nil || !b.mayCall(&c.CGI.Grants) {
		return files
	}
	w := b.world
	o := cgi.DirectoryOptions{Root: c.Dir, StripPrefix: c.StripPrefix, Open: w.programs(c.CGI)}
	if w.told != nil {
		o.Open = func(context.Context, string, []byte) (exchange.Handler, func(), error) { return nil, nil, errGuest }
	}
	for _, dir := range c.CGI.Dirs {
		o.Dirs = append(o.Dirs, dir.Text)
	}
	programs, err := cgi.NewDirectory(o)
	if err != nil {
		b.fail(c.CGI.Pos, c.Pos, err)
		return nil
	}
	b.closers = append(b.closers, programs.Close)
	return exchange.Chain(files, programs)
}

// programs opens programs as the plugins that they are.
func (w *world) programs(c *config.CGI) func(context.Context, string, []byte) (exchange.Handler, func(), error) {
	s := wasmhost.Settings{Limits: limitsOfPlugin(&c.Limits), Grants: grantsOf(&c.Grants)}
	return func(ctx context.Context, name string, code []byte) (exchange.Handler, func(), error) {
		host, err := w.openHost()
		if err != nil {
			return nil, nil, err
		}
		own := s
		own.Name = strings.TrimSuffix(path.Base(name), ".wasm")
		p, err := host.Open(ctx, code, own)
		if err != nil {
			return nil, nil, err
		}
		h, back, err := p.Handler(ctx, guest.Use{})
		if err != nil {
			p.Close()
			return nil, nil, err
		}
		return h, func() { w.plugins.retire(func() { back(); p.Close() }) }, nil
	}
}
