package main

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// ask is something that the process is told, by a signal, the admin listener or a watched
// file. The answer goes to reply; nil: nobody waits for it.
type ask struct {
	what  int
	reply chan error
}

const (
	askReload = iota
	askReopen
	askStop // when what was begun is answered
	askQuit // at once
)

func (a ask) ends() bool { return a.what == askStop || a.what == askQuit }

func (a ask) answer(err error) {
	if a.reply != nil {
		a.reply <- err
	}
}

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

// next returns what is to be done next.
func (p *process) next() ask {
	if len(p.later) > 0 {
		a := p.later[0]
		p.later = p.later[1:]
		return a
	}
	a, _ := p.hear(nil)
	return a
}

// hear returns what the process is told next, and false if done is closed before.
func (p *process) hear(done <-chan struct{}) (ask, bool) {
	for {
		select {
		case <-done:
			return ask{}, false
		case <-p.alive:
			p.notify.Alive()
		case <-p.changed:
			return ask{what: askReload}, true
		case a := <-p.asks:
			return a, true
		case sig := <-p.signals:
			return ask{what: meaning(sig)}, true
		}
	}
}

// meaning is what a signal asks for.
func meaning(sig os.Signal) int {
	switch sig {
	case syscall.SIGHUP:
		return askReload
	case syscall.SIGUSR1:
		return askReopen
	case syscall.SIGQUIT:
		return askQuit
	}
	return askStop
}

// errStopping ends what the process is about when it is told to stop.
var errStopping = errors.New("weir is told to stop")

// meanwhile runs f on a goroutine of its own, since it may take seconds, and waits for
// it. What the process is told by then is done later, in that order; but to stop, which
// ends f's context, comes first.
func (p *process) meanwhile(f func(context.Context)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	for {
		switch a, ok := p.hear(done); {
		case !ok:
			return
		case a.ends():
			cancel(errStopping)
			p.later = append([]ask{a}, p.later...)
		case a.reply == nil && p.isLater(a.what): // once is enough
		default:
			p.later = append(p.later, a)
		}
	}
}

func (p *process) isLater(what int) bool {
	for _, a := range p.later {
		if a.what == what && a.reply == nil {
			return true
		}
	}
	return false
}

// stopping tells whether the process was told to stop and has not begun to.
func (p *process) stopping() bool { return len(p.later) > 0 && p.later[0].ends() }
