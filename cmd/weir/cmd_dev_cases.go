package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/wasmhost/trial"
)

// test runs the project's cases, if it has any, and shows those that fail.
func (d *dev) test(ctx context.Context) {
	file := filepath.Join(d.cmd.Dir, casesFile)
	if !d.cmd.Test || !d.served || !exists(file) || ctx.Err() != nil {
		return
	}
	began := time.Now()
	var failed bytes.Buffer
	report, err := d.try(ctx, file, &failed)
	took := tookText(time.Since(began))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		var text bytes.Buffer
		(&app{stderr: &text, colour: d.screen.colour}).print(err)
		d.screen.block(text.String())
		d.screen.say(bad, "cases", "none was run")
	case report.Failed > 0:
		d.screen.block(failed.String())
		d.screen.say(bad, "cases", fmt.Sprintf("%d of %s failed, in %s", report.Failed, count(report.Failed+report.Passed, "case"), took))
	default:
		d.screen.say(good, "cases", fmt.Sprintf("%d of %d pass, in %s", report.Passed, report.Passed, took))
	}
}

// try runs the cases of a file with what was built last. What it compiles has been
// compiled to be served, and was kept.
func (d *dev) try(ctx context.Context, file string, failed *bytes.Buffer) (*trialReport, error) {
	c, err := config.LoadCases(file, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	code, err := readModule(d.module)
	if err != nil {
		return nil, err
	}
	cases, err := casesOf(d.module, c)
	if err != nil {
		return nil, err
	}
	r, err := trial.New(code, trial.Options{CacheDir: d.p.world.compileCache(), Shared: c.Shared})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	report := new(trialReport)
	page := &trialPage{app: &app{stdout: failed}, file: c.File, colour: d.screen.colour}
	for i := range cases {
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		came, err := tried(r, &cases[i])
		if err != nil {
			return report, fmt.Errorf("%s:%d: %s: %w", c.File, cases[i].At.Line, cases[i].Name, err)
		}
		if report.count(came); came.result() == trialFail {
			if !d.screen.verbose {
				came.shorten()
			}
			if err := page.print(came); err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

// shorten leaves out of what a case shows the functions that no author has written.
func (t *triedCase) shorten() {
	for i := range t.failures {
		if f := &t.failures[i]; f.What == "guest" {
			f.Hint = stackInShort(f.Hint)
		}
	}
	var stack trace
	kept := t.outcome.Log[:0]
	for _, l := range t.outcome.Log {
		if l.Text = stack.withoutStrangers(l.Text); l.Text != "" {
			kept = append(kept, l)
		}
	}
	t.outcome.Log = kept
}
