package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/weirproxy/weir/wasmhost"
)

type pluginCmd struct {
	Ls pluginLsCmd `cmd:"" help:"List plugins: what they speak, what they cost, and how they fail."`
}

type pluginLsCmd struct {
	adminFlag
	JSON bool `name:"json" help:"Print JSON, with all that is counted."`
}

func (cmd *pluginLsCmd) Run(a *app) error {
	if cmd.JSON {
		return cmd.ask(a, "GET", "/plugins")
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	text, err := client.do("GET", "/plugins")
	if err != nil {
		return err
	}
	var all []pluginJSON
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return fmt.Errorf("read the answer of the running weir: %w", err)
	}
	return printPlugins(a.stdout, all, time.Now())
}

func printPlugins(out io.Writer, all []pluginJSON, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "no plugins")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLUGIN\tSPEAKS\tMODULE\tUSES\tINSTANCES\tMEMORY\tNOW\tCALLS\tCPU/CALL\tTRAPS\tWAITS\tSINCE")
	for i := range all {
		p := &all[i]
		each := "-"
		if p.Calls > 0 {
			// Few calls are timed; where none was, fuel tells about the nanoseconds.
			each = rounded(time.Duration(cmp.Or(p.CPU*1e9, float64(p.Fuel)) / float64(p.Calls)))
		}
		fmt.Fprintf(w, "%s\t%s\t%.8s\t%d\t%d\t%s\t%d\t%d\t%s\t%d\t%d\t%s\n", p.Name, p.ABI, p.SHA256, p.Uses,
			p.Instances.Now, bytesOf(p.Instances.Memory), p.Streams, p.Calls, each, p.failures(), p.Waits.Count, rounded(now.Sub(p.Since)))
	}
	return w.Flush()
}

// pluginJSON is what GET /plugins says of a plugin. Times are in seconds.
type pluginJSON struct {
	Name      string    `json:"name"`
	ABI       string    `json:"abi"`
	SHA256    string    `json:"sha256"`
	Since     time.Time `json:"since"`
	Uses      int       `json:"uses"`
	Streams   int64     `json:"streams"`
	Calls     int64     `json:"calls"`
	Fuel      int64     `json:"fuel"`
	CPU       float64   `json:"cpu"`
	Callouts  int64     `json:"callouts"`
	LogsLost  int64     `json:"log_lines_dropped"`
	Instances struct {
		Now     int64 `json:"now"`
		Started int64 `json:"started"`
		Memory  int64 `json:"memory"`
	} `json:"instances"`
	Waits struct {
		Count int64   `json:"count"`
		Time  float64 `json:"time"`
	} `json:"waits"`
	Traps map[string]int64 `json:"traps"`
}

func (p *pluginJSON) failures() (n int64) {
	for _, count := range p.Traps {
		n += count
	}
	return n
}

func pluginOf(s *wasmhost.Status) pluginJSON {
	c := s.Counters
	p := pluginJSON{
		Name: s.Name, ABI: s.ABI, SHA256: s.Hash, Since: s.Started, Uses: s.Users,
		Streams: c.Streams.Load(), Calls: c.Calls.Load(), Fuel: c.Fuel.Load(), CPU: float64(c.Nanos.Load()) / 1e9,
		Callouts: c.Callouts.Load(), LogsLost: c.LogsLost.Load(), Traps: map[string]int64{},
	}
	p.Instances.Now, p.Instances.Started, p.Instances.Memory = c.Instances.Load(), c.Started.Load(), c.Memory.Load()
	p.Waits.Count, p.Waits.Time = c.Waits.Load(), float64(c.Waited.Load())/1e9
	for _, r := range reasons() {
		if n := c.Traps[r].Load(); n > 0 {
			p.Traps[r.String()] = n
		}
	}
	return p
}

// plugins serves GET /plugins.
func (a *admin) plugins(w http.ResponseWriter, _ *http.Request) {
	all := []pluginJSON{}
	if host := a.process.world.plugins.current(); host != nil {
		for _, s := range host.Status() {
			all = append(all, pluginOf(&s))
		}
	}
	writeJSON(w, all)
}
