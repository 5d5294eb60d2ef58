package demand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Options say who may have a certificate, and how many. A zero field means the default
// behind it. At least one of Allow, Ask and Decide is required: without them anybody
// could have a certificate for any name issued.
type Options struct {
	// Allow lists names, and patterns of names, that need no further question. A "*"
	// stands for any characters within one label ("*.example.com", "shop-*.example.com"),
	// "**" as the whole first label for one or more labels ("**.example.com"). What
	// follows the last star has to be a name that somebody can register: "*.com" and
	// "*" are refused. The name itself is not meant by patterns for what is below it.
	Allow []string
	// Ask is an http or https URL. It is asked by GET with ?domain= and &client_ip=
	// added: a status 2xx is a yes, 4xx a no, and everything else a failure; so are 407,
	// 408, 425 and 429, which speak of the question and not of the name. Redirects are not
	// followed. The client's address is not there if it is unknown.
	Ask string
	// Decide is asked like Ask, in the process. It must return when ctx ends, and is
	// called by several goroutines at once. nil: there is none.
	Decide func(ctx context.Context, name string, client netip.Addr) (bool, error)

	AskTimeout time.Duration // for one question, Decide and Ask together; 2 s
	Yes        time.Duration // how long a yes is kept; 1 h
	No         time.Duration // how long a no is kept; 1 min
	// Stale is how much longer either counts while nobody can be asked; 24 h; negative: not.
	Stale time.Duration

	InFlight  int  // issuances at once; 16
	PerClient Rate // issuances per client; 10 per minute
	PerDomain Rate // per registrable domain: all names below example.co.uk; 50 per hour
	Total     Rate // all issuances; 300 per 3 h, which is what Let's Encrypt takes of an account

	AskPerClient Rate // questions about names that have no yes, per client; 30 per minute
	AskTotal     Rate // such questions of all clients; 100 per 10 s

	// Log hears when nobody can be asked, when that is over, and of an Ask that says yes
	// to everything. nil is silent.
	Log *slog.Logger
}

// Rate is a budget: N at once, and then N per time, evenly.
type Rate struct {
	N   int
	Per time.Duration
}

var errOpenDoor = errors.New("nobody is asked and no name is listed: anybody could have certificates issued for any name; set allow or ask")

func (o *Options) complete() error {
	if len(o.Allow) == 0 && o.Ask == "" && o.Decide == nil {
		return errOpenDoor
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		or    time.Duration
	}{
		{"ask timeout", &o.AskTimeout, 2 * time.Second},
		{"time to keep a yes", &o.Yes, time.Hour},
		{"time to keep a no", &o.No, time.Minute},
	} {
		if *d.value < 0 {
			return fmt.Errorf("%s %v: is negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	if o.Stale == 0 {
		o.Stale = 24 * time.Hour
	}
	o.Stale = max(o.Stale, 0)
	if o.InFlight < 0 {
		return fmt.Errorf("issuances in flight %d: is negative", o.InFlight)
	}
	if o.InFlight == 0 {
		o.InFlight = 16
	}
	return o.completeRates()
}

func (o *Options) completeRates() error {
	for _, r := range []struct {
		name  string
		value *Rate
		or    Rate
	}{
		{"issuances per client", &o.PerClient, Rate{10, time.Minute}},
		{"issuances per domain", &o.PerDomain, Rate{50, time.Hour}},
		{"issuances in total", &o.Total, Rate{300, 3 * time.Hour}},
		{"questions per client", &o.AskPerClient, Rate{30, time.Minute}},
		{"questions in total", &o.AskTotal, Rate{100, 10 * time.Second}},
	} {
		if *r.value == (Rate{}) {
			*r.value = r.or
		}
		if r.value.N <= 0 || r.value.Per <= 0 {
			return fmt.Errorf("%s, %d per %v: both have to be more than 0", r.name, r.value.N, r.value.Per)
		}
	}
	return nil
}
