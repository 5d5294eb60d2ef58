package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weirproxy/weir/edge/upstream"
)

type upstreamCmd struct {
	Ls      upstreamLsCmd `cmd:"" help:"List upstreams, and how their endpoints are."`
	Drain   drainCmd      `cmd:"" help:"Send no new requests to an endpoint; those that go on are left alone."`
	Undrain undrainCmd    `cmd:"" help:"Send requests to a drained endpoint again."`
}

type upstreamLsCmd struct {
	adminFlag
	Pool string `arg:"" optional:"" help:"Only this upstream."`
	JSON bool   `name:"json" help:"Print JSON, with all that is counted."`
}

func (cmd *upstreamLsCmd) Run(a *app) error {
	path := "/upstreams?" + url.Values{"pool": {cmd.Pool}}.Encode()
	if cmd.JSON {
		return cmd.ask(a, "GET", path)
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	text, err := client.do("GET", path)
	if err != nil {
		return err
	}
	var pools []poolJSON
	if err := json.Unmarshal([]byte(text), &pools); err != nil {
		return fmt.Errorf("read the answer of the running weir: %w", err)
	}
	return printPools(a.stdout, pools, time.Now())
}

func printPools(out io.Writer, pools []poolJSON, now time.Time) error {
	if len(pools) == 0 {
		_, err := fmt.Fprintln(out, "no upstreams")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "UPSTREAM\tENDPOINT\tSTATE\tNOW\tCONNS\tREQUESTS\tFAILED\tLATENCY\tSINCE\tWHY")
	for _, p := range pools {
		name := p.Name
		if p.Error != "" {
			fmt.Fprintf(w, "%s\t-\tunresolved\t\t\t\t\t\t\t%s\n", name, p.Error)
			name = ""
		}
		for _, e := range p.Endpoints {
			latency := "-"
			if e.Latency > 0 {
				latency = rounded(time.Duration(e.Latency * float64(time.Second)))
			}
			since := ""
			if !e.Since.IsZero() {
				since = rounded(now.Sub(e.Since))
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", name, e.Address, e.State, e.InFlight,
				e.Connections.Open, e.Requests, e.Failures.total(), latency, since, e.Why)
			name = ""
		}
	}
	return w.Flush()
}

// rounded prints a duration as people say it: two digits or so.
func rounded(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return strings.TrimSuffix(d.Round(time.Hour).String(), "0m0s")
}

type drainCmd struct {
	adminFlag
	Pool     string `arg:"" help:"The upstream, as ls names it."`
	Endpoint string `arg:"" optional:"" help:"The endpoint, as ls names it. Default: all."`
}

func (cmd *drainCmd) Run(a *app) error {
	return drain(a, cmd.adminFlag, cmd.Pool, cmd.Endpoint, "1")
}

type undrainCmd struct {
	adminFlag
	Pool     string `arg:"" help:"The upstream, as ls names it."`
	Endpoint string `arg:"" optional:"" help:"The endpoint, as ls names it. Default: all."`
}

func (cmd *undrainCmd) Run(a *app) error {
	return drain(a, cmd.adminFlag, cmd.Pool, cmd.Endpoint, "0")
}

func drain(a *app, f adminFlag, pool, endpoint, on string) error {
	return f.ask(a, "POST", "/upstreams/drain?"+url.Values{"pool": {pool}, "endpoint": {endpoint}, "on": {on}}.Encode())
}

// poolJSON is what GET /upstreams says of a pool. Times are in seconds.
type poolJSON struct {
	Name      string         `json:"name"`
	Policy    string         `json:"policy"`
	Error     string         `json:"error,omitempty"` // why its names do not resolve
	Pending   int            `json:"pending"`
	Requests  uint64         `json:"requests"`
	Retries   uint64         `json:"retries"`
	Exhausted uint64         `json:"retries_over_budget"`
	Refused   uint64         `json:"refused"`
	Endpoints []endpointJSON `json:"endpoints"`
}

type endpointJSON struct {
	Address     string    `json:"address"`
	Protocol    string    `json:"protocol"`
	Name        string    `json:"name,omitempty"`
	Weight      int       `json:"weight"`
	State       string    `json:"state"`
	Why         string    `json:"why,omitempty"`
	Since       time.Time `json:"since,omitzero"`
	InFlight    int       `json:"in_flight"`
	Connections struct {
		Open int    `json:"open"`
		Idle int    `json:"idle"`
		Made uint64 `json:"made"`
	} `json:"connections"`
	Requests  uint64       `json:"requests"`
	Retried   uint64       `json:"retried"`
	Stale     uint64       `json:"stale_connections"`
	Failures  failuresJSON `json:"failures"`
	Ejections uint64       `json:"ejections"`
	Latency   float64      `json:"latency"`
	Checks    struct {
		Passed uint64 `json:"passed"`
		Failed uint64 `json:"failed"`
	} `json:"checks"`
}

type failuresJSON struct {
	Connect uint64 `json:"connect"`
	Cut     uint64 `json:"cut"`
	Timeout uint64 `json:"timeout"`
	Status  uint64 `json:"status"`
}

func (f failuresJSON) total() uint64 { return f.Connect + f.Cut + f.Timeout + f.Status }

func poolOf(s *upstream.PoolStatus) poolJSON {
	p := poolJSON{
		Name: s.Name, Policy: s.Policy, Error: s.Err, Pending: s.Pending,
		Requests: s.Calls, Retries: s.Retries, Exhausted: s.Exhausted, Refused: s.Refused,
		Endpoints: make([]endpointJSON, len(s.Endpoints)),
	}
	for i := range s.Endpoints {
		from, e := &s.Endpoints[i], &p.Endpoints[i]
		*e = endpointJSON{
			Address: from.Address, Protocol: from.Protocol, Name: from.Name, Weight: from.Weight,
			State: from.State, Why: from.Why, Since: from.Since, InFlight: from.InFlight,
			Requests: from.Calls, Retried: from.Retried, Stale: from.Stale,
			Failures:  failuresJSON{from.Connect, from.Cut, from.Timeout, from.Status},
			Ejections: from.Ejections, Latency: from.Latency.Seconds(),
		}
		e.Connections.Open, e.Connections.Idle, e.Connections.Made = from.Open, from.Idle, from.Made
		e.Checks.Passed, e.Checks.Failed = from.Passed, from.Failed
	}
	return p
}

// upstreams serves GET /upstreams.
func (a *admin) upstreams(w http.ResponseWriter, r *http.Request) {
	only, pools := r.URL.Query().Get("pool"), []poolJSON{}
	var names []string
	for _, s := range a.process.world.upstreams.Status() {
		if names = append(names, s.Name); only == "" || s.Name == only {
			pools = append(pools, poolOf(&s))
		}
	}
	if only != "" && len(pools) == 0 {
		const few = 10
		if n := len(names); n > few {
			names = append(names[:few], fmt.Sprintf("and %d more", n-few))
		}
		http.Error(w, fmt.Sprintf("there is no upstream %q; there are: %s", only, strings.Join(names, ", ")), http.StatusNotFound)
		return
	}
	writeJSON(w, pools)
}

// drainUpstream serves POST /upstreams/drain.
func (a *admin) drainUpstream(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	on := q.Get("on")
	if q.Get("pool") == "" || on != "0" && on != "1" {
		http.Error(w, "want ?pool=NAME&endpoint=ADDRESS&on=1, or on=0; without endpoint it is all of the pool's", http.StatusBadRequest)
		return
	}
	if err := a.process.world.upstreams.Drain(q.Get("pool"), q.Get("endpoint"), on == "1"); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	what := q.Get("pool")
	if e := q.Get("endpoint"); e != "" {
		what = e + " of " + what
	}
	io.WriteString(w, map[string]string{"1": "draining ", "0": "in use again: "}[on]+what+"\n")
}
