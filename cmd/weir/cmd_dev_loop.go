package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/cmd/weir/project"
)

// loop builds, and builds again when something has changed, until ctx ends.
func (d *dev) loop(ctx context.Context) {
	changed := []string{} // everything, at first
	for first := true; ctx.Err() == nil; first = false {
		switch {
		case first || d.builds(changed):
			changed = d.round(ctx)
		case d.reloads(changed):
			if err := d.p.ask(ctx, askReload); err != nil && ctx.Err() == nil {
				d.refused(ctx, err)
			} else if err == nil {
				d.screen.say(calm, "config", "taken up")
				d.test(ctx)
			}
			changed = nil
		default:
			d.test(ctx)
			changed = nil
		}
		for len(changed) == 0 && ctx.Err() == nil {
			changed = d.wait(ctx)
		}
		if len(changed) > 0 {
			d.screen.say(calm, "change", few(changed))
		}
	}
}

// wait returns what has changed next; nothing, if that is nothing of the project's.
func (d *dev) wait(ctx context.Context) []string {
	select {
	case <-ctx.Done():
		return nil
	case <-d.tree.C:
		return d.changes()
	}
}

func (d *dev) changes() []string {
	names, err := d.tree.Changed()
	if err != nil {
		d.screen.say(bad, "error", err.Error())
	}
	return names
}

// builds tells whether a change of these files changes the module.
func (d *dev) builds(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		base := path.Base(name)
		stem := strings.TrimSuffix(base, path.Ext(base))
		test := stem == "test" || strings.HasSuffix(stem, "_test") || strings.HasSuffix(stem, ".test") || strings.HasPrefix(name, "tests/")
		return !test && name != casesFile && (name != ownConfig || !d.served) && path.Ext(base) != ".md"
	})
}

// reloads tells whether a change of these files changes what the guest is told. As long as
// no build is served, there is none to be told: the next one is.
func (d *dev) reloads(names []string) bool {
	return d.served && slices.Contains(names, ownConfig)
}

// few names the first of some files.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// round builds once, and has what was built served and tested. It returns what has
// changed meanwhile: the build was broken off then.
func (d *dev) round(ctx context.Context) (changed []string) {
	began := time.Now()
	found, err := project.Find(d.cmd.Dir)
	if err != nil {
		d.failed(ctx, "is not there", err.Error())
		return nil
	}
	found.Name = d.project.Name // where it was built to
	d.answers.Store(found.Module)
	plan, err := found.Plan(ctx, project.Options{Output: d.module, Names: true, Colour: d.screen.colour})
	if err != nil {
		d.failed(ctx, "cannot be built", err.Error())
		return nil
	}
	text, changed, err := d.build(ctx, plan)
	switch {
	case ctx.Err() != nil || len(changed) > 0:
		return changed
	case err != nil:
		d.screen.block(text)
		d.failed(ctx, "does not compile", text)
		return nil
	}
	d.screen.block(text) // warnings
	b, err := judgeBuilt(plan, time.Since(began))
	if err != nil {
		os.Remove(d.module)
		d.failed(ctx, "cannot be run", err.Error())
		return nil
	}
	d.swap(ctx, b)
	return nil
}

// mostBroken is how many builds in a row are broken off: files that never rest, such as
// what another program keeps writing, would keep all from their end.
const mostBroken = 3

// build runs a plan. It breaks it off when files change.
func (d *dev) build(ctx context.Context, plan *project.Plan) (text string, changed []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var out bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- plan.Run(ctx, &out) }()
	change := d.tree.C
	if d.broken == mostBroken {
		change = nil // it is found there afterwards
	}
	for {
		select {
		case err := <-done:
			d.broken = 0
			return out.String(), nil, err
		case <-change:
			if changed := d.changes(); d.builds(changed) {
				cancel()
				<-done
				d.broken++
				return "", changed, nil
			}
		}
	}
}

// swap has a build served, and says how that went.
func (d *dev) swap(ctx context.Context, b *built) {
	began := time.Now()
	err := d.p.ask(ctx, askReload)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.refused(ctx, err)
	default:
		d.served = true
		d.screen.say(good, "built", fmt.Sprintf("%s, %s: compiled in %s, swapped in %s", bytesOf(int64(b.size)), b.abi, tenths(b.took), tenths(time.Since(began))))
		d.test(ctx)
	}
}

// refused says why a build does not serve.
func (d *dev) refused(ctx context.Context, err error) {
	why := errors.Unwrap(plain(err))
	if why == nil {
		why = plain(err)
	}
	if !d.served {
		os.Remove(d.module)
	}
	text := strings.TrimPrefix(why.Error(), d.module+": ")
	what := "does not start"
	if _, refusal, found := strings.Cut(text, ": the guest refuses its configuration"); found {
		text = "the guest refuses its configuration" + refusal
		what = "does not take its configuration"
		if d.cmd.Config == "" && !exists(filepath.Join(d.cmd.Dir, ownConfig)) {
			text += "\nwhat it is to be told goes into " + ownConfig
		}
	}
	d.failed(ctx, what, text)
}

// failed says that what is there now does not serve. While nothing does, clients are told.
func (d *dev) failed(ctx context.Context, what, why string) {
	if ctx.Err() != nil {
		return
	}
	if what != "does not compile" { // the compiler has said it
		d.screen.block(why)
	}
	goesOn := ""
	if d.served {
		goesOn = ", the last good build goes on"
	}
	d.screen.say(bad, "error", "it "+what+goesOn)
	if d.served {
		return
	}
	err := d.excused(what, strings.TrimSpace(colours.ReplaceAllString(why, "")))
	if err == nil {
		err = d.p.ask(ctx, askReload)
	}
	if err != nil && ctx.Err() == nil {
		d.screen.say(bad, "error", err.Error())
	}
}

// colours are what compilers colour their messages with.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
