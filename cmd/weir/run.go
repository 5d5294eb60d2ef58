package main

import (
	"cmp"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/weirproxy/weir/cmd/weir/config"
)

type runCmd struct {
	configFlag
	Watch bool `short:"w" help:"Reload when the file changes, or a module of WebAssembly that it names. Files it names with {file:} are not watched."`
}

// Help is what `weir run --help` adds.
func (*runCmd) Help() string {
	return `The configuration is the first there is of: -c, $WEIR_CONFIG, ./weir.yaml, ~/.config/weir/weir.yaml, /etc/weir/weir.yaml.

Signals: TERM and INT stop when what was begun is answered (a second one: at once), QUIT stops at once, HUP reloads, USR1 reopens log files.`
}

func (cmd *runCmd) Run(a *app) error {
	path, load, err := cmd.loader(a.stdin)
	if err != nil {
		return err
	}
	c, err := load()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(levelOf(c))
	log := a.logger(level)
	p, err := start(log, c, load)
	if err != nil {
		return err
	}
	p.level = level
	if a.colour {
		p.refused = func(err error) {
			log.Error(reloadRefused)
			a.print(err)
		}
	}
	a.announce(p)
	var changed <-chan struct{}
	if cmd.Watch && path != stdinName {
		w, err := watch(path, log)
		if err != nil {
			log.Error("not watching", "config", path, "err", err)
		} else {
			defer w.close()
			p.watches(w)
			changed = w.changed
		}
	}
	return p.main(changed)
}

// watches has w watch the modules that configurations use, from now on.
func (p *process) watches(w *watcher) {
	p.applied = func(c *config.Config) { w.also(wasmFiles(c), p.world.modules) }
	p.applied(p.conf.Load())
}

func levelOf(c *config.Config) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(c.Log.Level)) != nil {
		return slog.LevelInfo
	}
	return l
}

// logger makes the program's own log: lines for people on a terminal, JSON otherwise.
func (a *app) logger(level slog.Leveler) *slog.Logger {
	if a.colour {
		return slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: level, TimeFormat: time.TimeOnly}))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// announce says at start what is served where.
func (a *app) announce(p *process) {
	c := p.conf.Load()
	p.log.Info("started", "version", version, "config", c.File, "sites", len(c.Sites), "admin", cmp.Or(c.Admin.Address, "off"), "collector", p.collector)
	urls, more := p.urls()
	for _, u := range urls {
		p.log.Info("serving", "url", u)
	}
	if more > 0 {
		p.log.Info("serving", "more", more)
	}
	if facts := p.world.certs.announced(c); facts != nil {
		p.log.Info("certificates", facts...)
	}
	if ca := p.world.certs.internal; ca != nil {
		p.log.Info("weir's own CA signs for localhost and private names; to trust it: weir trust", "root", ca.RootPath())
	}
}

// urls are the addresses that a person may click on, of every listener with the
// names of its sites, the first few of them; more says how many there are besides.
func (p *process) urls() (all []string, more int) {
	const few = 8
	c := p.conf.Load()
	for i, a := range p.server.Addrs() {
		secure := i >= len(c.Listen.HTTP)
		for _, s := range c.Sites {
			if !s.Enabled || secure && s.TLS.Mode == "off" {
				continue
			}
			for _, h := range s.Hosts {
				switch {
				case strings.HasPrefix(h.Name, "*"): // nothing to click on
				case len(all) == few:
					more++
				default:
					all = append(all, urlOf(secure, h.Name, a))
				}
			}
		}
	}
	return all, more
}

func urlOf(secure bool, host string, a net.Addr) string {
	scheme, usual := "http", 80
	if secure {
		scheme, usual = "https", 443
	}
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return scheme + " on " + a.String()
	}
	if host == "default" {
		host = t.IP.String()
		if t.IP.IsUnspecified() {
			host = "localhost"
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.Port == usual {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + strconv.Itoa(t.Port)
}
