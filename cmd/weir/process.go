package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
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
// listener, a watched file) comes through one select in main, so nothing about
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
	conf   *config.Config // that is being served
	drain  time.Duration
	// collector says what the garbage collector was told.
	collector string

	asks   chan ask
	ready  atomic.Bool
	normal atomic.Pointer[[]byte] // conf as `weir config` prints it
}

// ask is a request to the process's goroutine. Its answer goes to reply.
type ask struct {
	what  int
	reply chan error
}

const (
	askReload = iota
	askReopen
	askStop
)

// ask asks the process's goroutine and waits for its answer.
func (p *process) ask(ctx context.Context, what int) error {
	a := ask{what, make(chan error, 1)}
	select {
	case p.asks <- a:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-a.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start brings up a process that serves what load returns.
func start(log *slog.Logger, load func() (*config.Config, error)) (p *process, err error) {
	c, err := load()
	if err != nil {
		return nil, err
	}
	p = &process{log: log, load: load, asks: make(chan ask), drain: c.Timeouts.Drain}
	p.collector = setCollector(&c.Memory)
	p.opener = listen.NewOpener(listen.Options{Log: log})
	if p.world, err = newWorld(log, c); err != nil {
		return nil, err
	}
	p.server = edge.New(serverOptions(log, p.opener, c))
	if err = p.world.watchServer(p.server); err == nil {
		err = p.apply(c)
	}
	if err != nil {
		p.close(context.Background())
		return nil, err
	}
	if c.Admin.Address != "" {
		if p.admin, err = startAdmin(p, c.Admin.Address); err != nil {
			p.close(context.Background())
			return nil, err
		}
	}
	p.memory = startSteward()
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
	snap, err := p.world.build(c)
	if err != nil {
		return err
	}
	if err := p.server.Apply(snap); err != nil {
		snap.Discard()
		return err
	}
	p.conf = c
	p.world.metrics.SetSites(siteNames(c))
	text := config.Normal(c)
	p.normal.Store(&text)
	return nil
}

func siteNames(c *config.Config) (all []string) {
	for _, s := range c.Sites {
		all = append(all, s.Hosts[0].Name)
	}
	return all
}

// reload reads the configuration again. A bad one changes nothing.
func (p *process) reload() error {
	began := time.Now()
	p.notify.Reloading()
	defer p.notify.Ready("serving")
	c, err := p.load()
	if err == nil {
		err = p.apply(c)
	}
	p.world.metrics.Reloaded(err)
	if err != nil {
		p.log.Error("reload refused, the old configuration goes on", "err", err)
		return err
	}
	p.log.Info("reloaded", "config", c.File, "sites", len(c.Sites), "took", time.Since(began).Round(time.Microsecond).String())
	for _, what := range p.fixed(c) {
		p.log.Warn("needs a restart to change", "setting", what)
	}
	return nil
}

// fixed lists what a new configuration changed that only a start can.
func (p *process) fixed(c *config.Config) (names []string) {
	if serverLimits(c) != serverLimits(p.world.first) {
		names = append(names, "limits and timeouts of connections")
	}
	if c.Admin.Address != p.world.first.Admin.Address {
		names = append(names, "admin")
	}
	if c.Memory.GOGC != p.world.first.Memory.GOGC || c.Memory.Limit != p.world.first.Memory.Limit {
		names = append(names, "memory")
	}
	return names
}

// serverLimits has the settings that the protocols take when they are made.
func serverLimits(c *config.Config) [11]int64 {
	l, t := &c.Limits, &c.Timeouts
	return [11]int64{
		l.HeaderBytes, int64(l.HeaderFields), l.RequestLine, int64(l.RequestsPerConnection), int64(l.Streams),
		int64(t.Handshake), int64(t.Header), int64(t.Idle), int64(t.Write), t.BodyRate, int64(t.Drain),
	}
}

// main runs the process until it is told to stop, and returns how it ended.
// changed signals that a watched file was written; it may be nil.
func (p *process) main(changed <-chan struct{}) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	p.notify.Ready("serving")
	alive := p.watchdog()
	for {
		select {
		case <-alive:
			p.notify.Alive()
		case <-changed:
			p.reload()
		case a := <-p.asks:
			switch a.what {
			case askReload:
				a.reply <- p.reload()
			case askReopen:
				a.reply <- p.world.reopen()
			case askStop:
				a.reply <- nil
				return p.stop(signals, p.drain)
			}
		case sig := <-signals:
			switch sig {
			case syscall.SIGHUP:
				p.reload()
			case syscall.SIGUSR1:
				if err := p.world.reopen(); err != nil {
					p.log.Error("reopen logs", "err", err)
				}
			case syscall.SIGQUIT:
				return p.stop(signals, 0)
			default:
				return p.stop(signals, p.drain)
			}
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

// stop drains for at most so long; another signal ends it at once.
func (p *process) stop(signals <-chan os.Signal, drain time.Duration) error {
	p.ready.Store(false)
	p.notify.Stopping("draining")
	p.log.Info("stopping", "drain", drain.String())
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.close(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			p.log.Warn("stopped, some exchanges were cut", "err", err)
			return exitError(exitUnclean)
		}
		p.log.Info("stopped")
		return nil
	case <-signals:
		cancel()
		<-done
		p.log.Warn("stopped at once by a second signal")
		return exitError(exitForced)
	}
}

// close takes down what start brought up, backwards. The error says that
// exchanges were cut.
func (p *process) close(ctx context.Context) error {
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
