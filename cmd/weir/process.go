package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/http1"
	"github.com/weirproxy/weir/edge/listen"
	"github.com/weirproxy/weir/edge/nethttp"
)

// process is one running weir. Everything that changes it (signals, the admin
// listener, a watched file) comes through one select in hear, so nothing about
// reloading needs a lock.
type process struct {
	log    *slog.Logger
	load   func() (*config.Config, error)
	opener *listen.Opener
	server *edge.Server
	world  *world
	admin  *admin
	notify listen.Notify
	memory *steward
	// refused says that a reload was; applied, that a configuration is being served. It
	// may be nil.
	refused func(error)
	applied func(*config.Config)
	// level is that of log, if it can be changed; it may be nil.
	level *slog.LevelVar
	first settings // that the process was started with
	drain time.Duration
	// collector says what the garbage collector was told.
	collector string

	signals chan os.Signal
	asks    chan ask
	changed <-chan struct{}  // signals that a watched file was written; nil: none is
	alive   <-chan time.Time // ticks as often as systemd wants to hear from us
	later   []ask            // to be done before what comes next
	ready   atomic.Bool
	conf    atomic.Pointer[config.Config] // that is being served
}

// start brings up a process that serves c, and after a reload what load returns.
func start(log *slog.Logger, c *config.Config, load func() (*config.Config, error)) (p *process, err error) {
	p = &process{log: log, load: load, asks: make(chan ask), first: settingsOf(c), drain: c.Timeouts.Drain}
	// From the first socket on: who sees it may send a signal, which would kill a
	// process that does not expect one.
	p.signals = make(chan os.Signal, 4)
	signal.Notify(p.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	p.refused = func(err error) { log.Error(reloadRefused, "err", err) }
	p.collector = setCollector(&c.Memory)
	p.opener = listen.NewOpener(listen.Options{Log: log})
	p.world = newWorld(log)
	if err = p.world.certs.open(c); err != nil {
		p.world.close()
		signal.Stop(p.signals)
		return nil, misplaced(c, c.Store.Pos, err)
	}
	p.server = edge.New(p.world.certs.options(c, serverOptions(log, p.opener, c)))
	p.world.certs.serve(p.server)
	if err = p.world.watchServer(p.server); err == nil {
		err = p.apply(c)
	}
	if err != nil {
		p.close(context.Background())
		if p.stopping() {
			err = exitError(exitOK)
		}
		return nil, err
	}
	if c.Admin.Address != "" {
		if p.admin, err = startAdmin(p, c.Admin.Address); err != nil {
			p.close(context.Background())
			return nil, err
		}
	}
	p.memory = startSteward(p.world.plugins.trim)
	p.ready.Store(true)
	return p, nil
}

func serverOptions(log *slog.Logger, opener *listen.Opener, c *config.Config) edge.Options {
	l, t := &c.Limits, &c.Timeouts
	return edge.Options{
		Log: log, Opener: opener,
		HTTP1: http1.Limits{Line: int(l.RequestLine), Header: int(l.HeaderBytes), Fields: l.HeaderFields},
		Timeouts: http1.Timeouts{
			Head: t.Header, Idle: t.Idle, BodyIdle: t.Write, BodyRate: int(t.BodyRate), Write: t.Write,
		},
		MaxRequests: l.RequestsPerConnection,
		Streams: nethttp.Options{
			HeaderBytes: int(l.HeaderBytes), Fields: l.HeaderFields, Streams: l.Streams,
			Header: t.Header, Idle: t.Idle, Stall: t.Write, BodyRate: int(t.BodyRate),
		},
		Handshake: t.Handshake,
		Drain:     t.Drain,
	}
}

// apply builds c and makes it current: all of it or nothing.
func (p *process) apply(c *config.Config) error {
	var snap *edge.Snapshot
	var err error
	p.meanwhile(func(ctx context.Context) { snap, err = p.world.buildUntil(ctx, c) })
	if err != nil {
		return err
	}
	if err := p.server.Apply(snap); err != nil {
		snap.Discard()
		return err
	}
	p.world.certs.apply()
	for _, w := range c.Warnings {
		p.log.Warn("configuration", "warning", w.Error(), "hint", w.Hint)
	}
	p.conf.Store(c)
	if p.applied != nil {
		p.applied(c)
	}
	p.world.forget()
	p.world.metrics.SetSites(siteNames(c))
	if p.level != nil {
		p.level.Set(levelOf(c))
	}
	return nil
}

func siteNames(c *config.Config) (all []string) {
	for _, s := range c.Sites {
		all = append(all, siteName(s))
	}
	return all
}

const reloadRefused = "reload refused, the old configuration goes on"

// reload reads the configuration again. A bad one changes nothing.
func (p *process) reload() error {
	began := time.Now()
	p.notify.Reloading()
	defer p.notify.Ready("serving")
	// Reading leaves several times the memory behind that serving needs. With the
	// program's own target, ten thousand sites would take hundreds of megabytes.
	if target := debug.SetGCPercent(100); target != 100 {
		defer debug.SetGCPercent(target)
	}
	c, err := p.load()
	if err == nil {
		err = p.apply(c)
	}
	if err != nil && p.stopping() {
		return errStopping // it was not tried to the end
	}
	p.world.metrics.Reloaded(err)
	if err != nil {
		p.refused(err)
		return err
	}
	p.log.Info("reloaded", "config", c.File, "sites", len(c.Sites), "took", time.Since(began).Round(time.Microsecond).String())
	changed := p.first.changed(settingsOf(c))
	if p.world.cacheStore() != nil && p.world.storedAs != storeKey(&c.Cache) {
		changed = append(changed, "cache")
	}
	for _, what := range changed {
		p.log.Warn("needs a restart to change", "setting", what)
	}
	return nil
}

// main runs the process until it is told to stop, and returns how it ended.
// changed signals that a watched file was written; it may be nil.
func (p *process) main(changed <-chan struct{}) error {
	p.notify.Ready("serving")
	p.changed, p.alive = changed, p.watchdog()
	for {
		switch a := p.next(); a.what {
		case askReload:
			a.answer(p.reload())
		case askReopen:
			err := p.world.reopen()
			if err != nil && a.reply == nil {
				p.log.Error("reopen logs", "err", err)
			}
			a.answer(err)
		case askStop:
			a.answer(nil)
			return p.stop(p.drain)
		case askQuit:
			return p.stop(0)
		}
	}
}

// watchdog returns a channel that ticks as often as systemd wants to hear from us.
func (p *process) watchdog() <-chan time.Time {
	every := p.notify.Watchdog()
	if every <= 0 {
		return nil
	}
	return time.NewTicker(every).C
}

// leaveTime is for how long a process that is to end at once waits for what is being given
// back: locks run out by themselves, and not everybody answers.
const leaveTime = time.Second

// stop drains for at most so long; another signal ends it at once.
func (p *process) stop(drain time.Duration) error {
	p.ready.Store(false)
	p.notify.Stopping("draining")
	p.log.Info("stopping", "drain", drain.String())
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.close(ctx) }()
	var over <-chan time.Time
	if drain <= 0 {
		over = time.After(leaveTime)
	}
	for {
		select {
		case err := <-done:
			if err != nil {
				p.log.Warn("stopped, some exchanges were cut", "err", err)
				return exitError(exitUnclean)
			}
			p.log.Info("stopped")
			return nil
		case sig := <-p.signals:
			if sig == syscall.SIGHUP || sig == syscall.SIGUSR1 {
				continue // there is nothing left to reload or reopen
			}
			cancel()
			select {
			case <-done:
			case <-time.After(leaveTime):
			}
			p.log.Warn("stopped at once by a second signal")
			return exitError(exitForced)
		case <-over:
			p.log.Warn("stopped at once, with something left undone")
			return exitError(exitUnclean)
		}
	}
}

// close takes down what start brought up, backwards. The error says that
// exchanges were cut.
func (p *process) close(ctx context.Context) error {
	defer signal.Stop(p.signals)
	p.world.certs.yield() // before the drain, which takes long: other nodes wait for locks
	err := p.server.Shutdown(ctx)
	if p.memory != nil {
		p.memory.close()
	}
	if p.admin != nil {
		p.admin.close()
	}
	p.world.close()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("shut down: %w", err)
	}
	return err
}
