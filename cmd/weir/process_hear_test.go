package main

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// deaf is a process that hears, and does nothing.
func deaf() *process {
	return &process{log: quiet(), asks: make(chan ask), signals: make(chan os.Signal, 4)}
}

func TestMeanwhile_StopEndsWhatIsGoingOn(t *testing.T) {
	t.Parallel()
	for sig, want := range map[os.Signal]int{syscall.SIGTERM: askStop, syscall.SIGINT: askStop, syscall.SIGQUIT: askQuit} {
		p := deaf()
		p.signals <- syscall.SIGHUP
		p.signals <- sig
		var cause error
		p.meanwhile(func(ctx context.Context) { <-ctx.Done(); cause = context.Cause(ctx) })
		if cause != errStopping || !p.stopping() {
			t.Errorf("%v: ended by %v, stopping %t", sig, cause, p.stopping())
		}
		if a := p.next(); a.what != want {
			t.Errorf("%v: next is %d, want %d: before what came before", sig, a.what, want)
		}
		if a := p.next(); a.what != askReload {
			t.Errorf("%v: then %d, want %d", sig, a.what, askReload)
		}
	}
}

func TestMeanwhile_KeepsWhatItHears(t *testing.T) {
	t.Parallel()
	p := deaf()
	answers := make(chan error, 2)
	p.meanwhile(func(ctx context.Context) {
		for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGHUP} {
			p.signals <- sig
		}
		for range 2 {
			p.asks <- ask{askReload, answers} // taken at once, answered later
		}
		for len(p.signals) > 0 {
			p.asks <- ask{askReopen, answers}
		}
	})
	reloads, replies := 0, 0
	for len(p.later) > 0 {
		a := p.next()
		if a.reply != nil {
			replies++
		} else if a.what == askReload {
			reloads++
		}
	}
	if reloads != 1 || replies < 2 {
		t.Errorf("%d reloads of those that nobody waits for, %d asks; want 1, and all", reloads, replies)
	}
}

func TestStart_StopsWhilePluginsAreOpened(t *testing.T) {
	t.Parallel()
	w := dryWorld()
	defer w.close()
	dir := t.TempDir()
	write(t, dir, "p.wasm", string(stamp("p")))
	c, err := config.Parse("weir.yaml", []byte("listen: {http: ':0'}\nplugins: {p: p.wasm}\nsites: {a.test: {filters: p, respond: 200}}\n"), config.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopping)
	if snap, err := w.buildUntil(ctx, c); err == nil {
		snap.Discard()
		t.Error("it was built")
	}
	if host := w.plugins.current(); host != nil && len(host.Status()) != 0 {
		t.Errorf("left open: %v", host.Status())
	}
}
