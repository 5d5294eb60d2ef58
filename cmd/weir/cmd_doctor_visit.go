package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// level is how bad a finding is.
type level string

const (
	fine    level = "ok"
	warning level = "warning"
	wrong   level = "wrong"
)

// finding is one line: what was looked at, what was found, and what to do about it.
type finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject"`
	Level   level  `json:"level"`
	Found   string `json:"found"`
	Hint    string `json:"hint,omitempty"`
	Site    string `json:"site,omitempty"` // "": what all sites share
}

// worst is the worst level of all.
func worst(all []finding) level {
	w := fine
	for _, f := range all {
		if f.Level == wrong || f.Level == warning && w == fine {
			w = f.Level
		}
	}
	return w
}

// exam is one check. What it finds comes back; it keeps to the time that its context has.
type exam struct {
	check, subject, site string
	do                   func(ctx context.Context) []finding
}

// doctor looks at one configuration.
type doctor struct {
	cmd      *doctorCmd
	c        *config.Config
	targets  []*target
	left     int // names that are not looked at
	own      map[netip.Addr]bool
	resolver resolver
	opened   atomic.Pointer[openedShelf]
	running  atomic.Bool // a weir answers at the admin address
	offers   sync.Map    // *config.Issuer to *offer, of those that answered
	found    []finding

	mu        sync.Mutex
	addresses map[string][]netip.Addr // by name, as DNS says
}

// openedShelf is the store, or why it could not be opened.
type openedShelf struct {
	shelf *shelf
	err   error
}

var errLateStore = errors.New("the store could not be opened in time")

// visit does it all: first what names have in common, then what DNS says of each, then
// the way to each.
func (d *doctor) visit(ctx context.Context) {
	d.opened.Store(&openedShelf{err: errLateStore})
	defer func() {
		if s := d.opened.Load().shelf; s != nil {
			s.close()
		}
	}()
	if d.resolver.servers == nil {
		d.resolver.system()
	}
	// Each step goes by what the one before has found.
	for _, exams := range []func() []exam{d.firstExams, d.commonExams, d.recordExams, d.wayExams} {
		d.examine(ctx, exams())
	}
	d.weigh()
	d.arrange()
	if d.left > 0 {
		d.found = append(d.found, finding{
			Check: "names", Subject: "all", Level: warning,
			Found: fmt.Sprintf("only %d of %d names were looked at", len(d.targets), len(d.targets)+d.left), Hint: "--all looks at all, --site at some",
		})
	}
}

// examWidth is how many exams are done at once. They wait for others most of the time.
const examWidth = 48

// examine does exams at once, and adds what they find in order. One that does not end in
// time, since a file system hangs, is left to itself.
func (d *doctor) examine(ctx context.Context, exams []exam) {
	all := make([]chan []finding, len(exams))
	places := make(chan struct{}, examWidth)
	for i, e := range exams {
		all[i] = make(chan []finding, 1)
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			continue // and nothing will be there
		}
		go func() {
			ctx, cancel := context.WithTimeout(ctx, examTime)
			defer cancel()
			all[i] <- e.do(ctx)
			<-places
		}()
	}
	patience, cancel := context.WithTimeout(ctx, examTime+time.Second)
	defer cancel()
	for i, e := range exams {
		d.add(e, await(patience, all[i]))
	}
}

// await returns what arrives before ctx ends, or what is there already.
func await(ctx context.Context, from chan []finding) []finding {
	select {
	case found := <-from:
		return found
	default:
	}
	select {
	case found := <-from:
		return found
	case <-ctx.Done():
		return one(warning, "no answer in time", "look at what it depends on: a file system or a server that hangs")
	}
}

func (d *doctor) add(e exam, found []finding) {
	for _, f := range found {
		f.Check, f.Subject, f.Site = cmp.Or(f.Check, e.check), cmp.Or(f.Subject, e.subject), e.site
		d.found = append(d.found, f)
	}
}

// one is the result of an exam that finds one thing.
func one(l level, found, hint string) []finding {
	return []finding{{Level: l, Found: found, Hint: hint}}
}

// setAddresses notes what DNS says of a name.
func (d *doctor) setAddresses(name string, all []netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addresses[name] = all
}

func (d *doctor) addressesOf(t *target) []netip.Addr {
	if addr, ok := t.address(); ok {
		return []netip.Addr{addr}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addresses[t.name]
}

// arrange puts together what is about one name, in the order of the file.
func (d *doctor) arrange() {
	rank := map[[2]string]int{}
	for i, f := range d.found {
		key := [2]string{f.Site, f.Subject}
		if _, ok := rank[key]; !ok && f.Site != "" {
			rank[key] = i + 1
		}
	}
	slices.SortStableFunc(d.found, func(a, b finding) int {
		return cmp.Compare(rank[[2]string{a.Site, a.Subject}], rank[[2]string{b.Site, b.Subject}])
	})
}

// weigh makes what is wrong with one way to a certificate a warning, where another way
// is open: authorities are content with one.
func (d *doctor) weigh() {
	ways := []string{"http-01", "tls-alpn-01", "dns-01"}
	state := map[string]map[string]level{}
	for _, f := range d.found {
		if slices.Contains(ways, f.Check) {
			if state[f.Subject] == nil {
				state[f.Subject] = map[string]level{}
			}
			all := []finding{{Level: state[f.Subject][f.Check]}, f}
			state[f.Subject][f.Check] = worst(all)
		}
	}
	for i, f := range d.found {
		if f.Level != wrong || !slices.Contains(ways, f.Check) {
			continue
		}
		for _, way := range ways {
			if l, ok := state[f.Subject][way]; ok && way != f.Check && l == fine {
				d.found[i].Level = warning
				d.found[i].Hint = strings.TrimPrefix(f.Hint+"; "+way+" works for this name", "; ")
			}
		}
	}
}
