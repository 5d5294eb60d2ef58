package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/wasmhost/trial"
)

// filterBenchCmd is `weir filter bench`.
type filterBenchCmd struct {
	Files []string `arg:"" optional:"" help:"The module, and a file of cases; or a directory with both. Default: the one *.wasm of this directory, and its cases.yaml if there is one."`

	Only     *regexp.Regexp `name:"run" placeholder:"REGEXP" help:"The case: the first whose name matches. Default: the first."`
	Time     time.Duration  `default:"3s" placeholder:"DURATION" help:"For how long. Default: 3s."`
	Parallel int            `short:"p" default:"1" placeholder:"N" help:"How many requests at a time. Default: 1."`
	JSON     bool           `name:"json" help:"Print JSON."`
}

// Help is what `weir filter bench --help` adds.
func (*filterBenchCmd) Help() string {
	return `The request of a case is sent again and again, in turn with the filter and without it; without a file of cases it is GET /. What the filter calls answers as the case says.`
}

// benchResult is what `weir filter bench --json` prints. Times are in seconds.
type benchResult struct {
	Module    string      `json:"module"`
	ABI       string      `json:"abi"`
	Size      int         `json:"size"`
	Case      string      `json:"case"`
	Parallel  int         `json:"parallel"`
	Requests  int64       `json:"requests"`
	Failed    int64       `json:"failed"`
	Error     string      `json:"error,omitempty"`
	Seconds   float64     `json:"seconds"`
	PerSecond float64     `json:"requests_per_second"`
	With      benchTimes  `json:"with"`
	Without   *benchTimes `json:"without,omitempty"`
	Extra     *benchTimes `json:"extra,omitempty"` // with less without, of pairs
	Fuel      int64       `json:"fuel"`
	Allocs    int64       `json:"host_allocations"`
	Bytes     int64       `json:"host_allocated_bytes"`
	Instances int64       `json:"instances"`
	Memory    int64       `json:"memory"`
	Compile   float64     `json:"compile"`
	Start     float64     `json:"start"`
	StartFuel int64       `json:"start_fuel"`
}

type benchTimes struct {
	Quarter float64 `json:"p25"`
	Median  float64 `json:"median"`
	Three   float64 `json:"p75"`
	P99     float64 `json:"p99"`
}

const mostParallel = 10_000

func (cmd *filterBenchCmd) Run(a *app) error {
	if cmd.Time < 10*time.Millisecond || cmd.Parallel < 1 || cmd.Parallel > mostParallel {
		return a.misused("weir filter bench", fmt.Errorf("want a time of 10ms at least, and from 1 to %d requests at a time", mostParallel))
	}
	files, err := findBench(cmd.Files)
	if _, ok := errors.AsType[config.Errors](err); ok {
		return err
	} else if err != nil {
		return a.misused("weir filter bench", err)
	}
	code, err := readModule(files.module)
	if err != nil {
		return hinted{err, "build it first: weir filter build"}
	}
	c, err := cmd.choose(files)
	if err != nil {
		return a.misused("weir filter bench", err)
	}
	if err := passes(code, c); err != nil {
		return err
	}
	r, err := trial.New(code, trial.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	v, err := r.Bench(context.Background(), c, trial.Pace{Time: cmd.Time, Parallel: cmd.Parallel})
	if err != nil {
		return err
	}
	return cmd.print(a, files.module, len(code), r.ABI(), c, v)
}

// findBench is findTrial for who needs no cases.
func findBench(args []string) (*trialFiles, error) {
	if len(args) == 0 || len(args) == 1 && strings.HasSuffix(args[0], ".wasm") {
		if len(args) == 1 || !exists(casesFile) {
			f := &trialFiles{}
			if len(args) == 1 {
				f.module = args[0]
			}
			plain, err := config.ParseCases(casesFile, []byte("cases: [{request: GET /, expect: {response: {}}}]"), config.Options{})
			f.cases = []*config.Cases{plain}
			if err != nil {
				return nil, err
			}
			return f, f.findModule(".")
		}
	}
	return findTrial(args)
}

// choose returns the case that is measured.
func (cmd *filterBenchCmd) choose(files *trialFiles) (*trial.Case, error) {
	for _, f := range files.cases {
		cases, err := casesOf(files.module, f)
		if err != nil {
			return nil, err
		}
		for i := range cases {
			if cmd.Only == nil && cases[i].Skip == "" || cmd.Only != nil && cmd.Only.MatchString(cases[i].Name) {
				return &cases[i], nil
			}
		}
	}
	if cmd.Only != nil {
		return nil, fmt.Errorf("no case has a name that matches %s", cmd.Only)
	}
	return nil, errors.New("all cases are skipped")
}

// passes refuses to measure a case that fails: nobody knows what it is that is measured.
func passes(code []byte, c *trial.Case) error {
	r, err := trial.New(code, trial.Options{CacheDir: trialCache()})
	if err != nil {
		return err
	}
	defer r.Close()
	o, err := r.Run(context.Background(), c)
	if err != nil {
		return err
	}
	for _, f := range c.Check(o) {
		return hinted{fmt.Errorf("the case %q fails: %s: want %s, got %s", c.Name, f.What, oneLine(f.Want), oneLine(f.Got)), "weir filter test says more"}
	}
	if o.Refused != nil {
		return fmt.Errorf("the case %q sends no request", c.Name)
	}
	return nil
}

func (cmd *filterBenchCmd) print(a *app, module string, size int, abi string, c *trial.Case, v *trial.Speed) error {
	b := benchResult{
		Module: module, ABI: abi, Size: size, Case: c.Name, Parallel: cmd.Parallel,
		Requests: v.Requests, Failed: v.Failed, Seconds: v.Elapsed.Seconds(), PerSecond: float64(v.Requests) / v.Elapsed.Seconds(),
		With: timesOf(v.With), Fuel: v.Fuel, Allocs: v.Allocs, Bytes: v.Bytes, Instances: v.Instances, Memory: v.Memory,
		Compile: v.Compile.Seconds(), Start: v.Start.Seconds(), StartFuel: v.StartFuel,
	}
	if v.Err != nil {
		b.Error = v.Err.Error()
	}
	if v.Without.Median > 0 {
		without, extra := timesOf(v.Without), timesOf(v.Extra)
		b.Without, b.Extra = &without, &extra
	}
	var err error
	if cmd.JSON {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		err = e.Encode(&b)
	} else {
		var text strings.Builder
		b.text(&text, v)
		_, err = io.WriteString(a.stdout, printable(text.String()))
	}
	if err == nil && v.Failed > 0 {
		err = exitError(exitFailed)
	}
	return err
}

func timesOf(s trial.Spread) benchTimes {
	return benchTimes{s.Low.Seconds(), s.Median.Seconds(), s.High.Seconds(), s.P99.Seconds()}
}

// text prints a short table.
func (b *benchResult) text(out io.Writer, v *trial.Speed) {
	at := ""
	if b.Parallel > 1 {
		at = fmt.Sprintf(", %d at a time", b.Parallel)
	}
	fmt.Fprintf(out, "\n%s, %s, %s\n", b.Module, b.ABI, bytesOf(int64(b.Size)))
	fmt.Fprintf(out, "%s: %s requests in %s%s\n\n", oneLine(b.Case), trial.Grouped(b.Requests), tookText(v.Elapsed), at)
	line := func(what, value, more string) {
		fmt.Fprintf(out, "  %s\n", strings.TrimRight(fmt.Sprintf("%-20s %14s  %s", what, value, more), " "))
	}
	spread := func(s trial.Spread) string {
		return fmt.Sprintf("%s to %s, 99%% within %s", fine3(s.Low), fine3(s.High), fine3(s.P99))
	}
	if b.Without == nil {
		line("a request", fine3(v.With.Median), spread(v.With))
	} else {
		line("with the filter", fine3(v.With.Median), spread(v.With))
		line("without it", fine3(v.Without.Median), spread(v.Without))
		line("what it adds", fine3(v.Extra.Median), spread(v.Extra))
	}
	if b.Parallel > 1 {
		line("requests a second", trial.Grouped(int64(b.PerSecond)), "")
	}
	line("fuel", trial.Grouped(b.Fuel), "a request")
	line("host's allocations", trial.Grouped(b.Allocs), bytesOf(b.Bytes)+" a request")
	if b.Memory > 0 {
		line("memory", bytesOf(b.Memory), "in "+count(int(b.Instances), "instance")+" afterwards")
	}
	if v.Compile > 0 {
		line("compiling", fine3(v.Compile), "")
	}
	burnt := ""
	if b.StartFuel > 0 {
		burnt = trial.Grouped(b.StartFuel) + " fuel"
	}
	line("starting", fine3(v.Start), burnt)
	if b.Failed > 0 {
		fmt.Fprintf(out, "\n%s of them failed, the first with: %s\n", trial.Grouped(b.Failed), oneLine(b.Error))
	}
}

// fine3 prints a time with three digits.
func fine3(d time.Duration) string {
	f, unit := float64(d), "ns"
	for _, u := range []string{"µs", "ms", "s"} {
		if f < 1000 && f > -1000 {
			break
		}
		f, unit = f/1000, u
	}
	digits := 0
	switch {
	case unit == "ns":
	case f < 10:
		digits = 2
	case f < 100:
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, f, unit)
}
