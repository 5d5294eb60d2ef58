package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/wasmhost/trial"
)

// trialReport is what `weir filter test --json` prints. Times are in seconds.
type trialReport struct {
	Module  string      `json:"module"`
	ABI     string      `json:"abi"`
	Size    int         `json:"size"`
	Passed  int         `json:"passed"`
	Failed  int         `json:"failed"`
	Skipped int         `json:"skipped"`
	Seconds float64     `json:"seconds"`
	Files   []trialFile `json:"files"`
}

type trialFile struct {
	File  string      `json:"file"`
	Cases []trialCase `json:"cases"`
}

type trialCase struct {
	Name     string         `json:"name"`
	Line     int            `json:"line"`
	Result   string         `json:"result"` // ok, fail, skip
	Why      string         `json:"why,omitempty"`
	Seconds  float64        `json:"seconds,omitempty"`
	Start    float64        `json:"start,omitempty"`
	Fuel     int64          `json:"fuel,omitempty"`
	Memory   int64          `json:"memory,omitempty"`
	Failures []trialFailure `json:"failures,omitempty"`
	Log      []string       `json:"log,omitempty"`
}

type trialFailure struct {
	Line int    `json:"line"`
	Col  int    `json:"column"`
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
	Hint string `json:"hint,omitempty"`
}

const (
	trialOK   = "ok"
	trialFail = "fail"
	trialSkip = "skip"
)

func (t *triedCase) result() string {
	switch {
	case t.outcome == nil:
		return trialSkip
	case len(t.failures) > 0:
		return trialFail
	}
	return trialOK
}

func (r *trialReport) count(t *triedCase) {
	switch t.result() {
	case trialOK:
		r.Passed++
	case trialFail:
		r.Failed++
	default:
		r.Skipped++
	}
}

func (t *triedCase) json() trialCase {
	made := trialCase{Name: t.c.Name, Line: t.c.At.Line, Result: t.result(), Why: t.c.Skip}
	o := t.outcome
	if o == nil {
		return made
	}
	made.Seconds, made.Start, made.Fuel, made.Memory = o.Took.Seconds(), o.Start.Seconds(), o.Fuel, o.Memory
	for _, f := range t.failures {
		made.Failures = append(made.Failures, trialFailure{f.At.Line, f.At.Col, f.What, f.Want, f.Got, f.Hint})
	}
	for _, l := range o.Log {
		made.Log = append(made.Log, l.String())
	}
	return made
}

// trialPage prints cases as they end.
type trialPage struct {
	app     *app
	file    string
	verbose bool
	widest  int // name
	colour  bool
	gap     bool // the case before has failed
}

// mostName is how wide names may make their column.
const mostName = 48

// begin prints what is tested.
func (p *trialPage) begin(r *trialReport, cases []trial.Case) error {
	p.colour = isTerminal(p.app.stdout)
	for i := range cases {
		p.widest = min(max(p.widest, utf8.RuneCountInString(oneLine(cases[i].Name))), mostName)
	}
	_, err := fmt.Fprintf(p.app.stdout, "\n%s, %s, with %s\n\n", p.paint("1", r.Module), r.ABI, p.file)
	return err
}

func (p *trialPage) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// print prints one case.
func (p *trialPage) print(t *triedCase) error {
	var b strings.Builder
	if p.gap {
		b.WriteString("\n")
	}
	name := oneLine(t.c.Name)
	pad := strings.Repeat(" ", max(p.widest-utf8.RuneCountInString(name), 0))
	switch o := t.outcome; t.result() {
	case trialSkip:
		fmt.Fprintf(&b, "  %s  %s%s  %s\n", p.paint("33", trialSkip), name, pad, p.paint("2", oneLine(t.c.Skip)))
	default:
		word := p.paint("32", trialOK) + "  "
		if t.result() == trialFail {
			word = p.paint("1;31", trialFail)
			name = p.paint("1", name)
		}
		if taken := costs(o); taken != "" {
			name += pad + p.paint("2", taken)
		}
		fmt.Fprintf(&b, "  %s  %s\n", word, name)
	}
	for i := range t.failures {
		p.failure(&b, &t.failures[i])
	}
	if o := t.outcome; o != nil && (p.verbose || len(t.failures) > 0) {
		p.told(&b, t)
	}
	p.gap = len(t.failures) > 0
	_, err := io.WriteString(p.app.stdout, b.String())
	return err
}

// costs prints what a case took.
func costs(o *trial.Outcome) string {
	if o.Refused != nil {
		return ""
	}
	memory := ""
	if o.Memory > 0 {
		memory = bytesOf(o.Memory)
	}
	return strings.TrimRight(fmt.Sprintf("  %9s  %12s fuel  %10s", tookText(o.Took), trial.Grouped(o.Fuel), memory), " ")
}

// tookText prints a short time with as much of it as one reads.
func tookText(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// failure prints what was wanted, and what came.
func (p *trialPage) failure(b *strings.Builder, f *trial.Failure) {
	fmt.Fprintf(b, "        %s  %s\n", p.paint("36", fmt.Sprintf("%s:%d:%d", p.file, f.At.Line, f.At.Col)), p.paint("1", oneLine(f.What)))
	p.block(b, "want", "32", f.Want)
	p.block(b, "got ", "31", f.Got)
	if f.Hint != "" {
		p.block(b, "    ", "2", f.Hint)
	}
}

// block prints lines behind a word.
func (p *trialPage) block(b *strings.Builder, word, code, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		line = printable(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "  "))
		fmt.Fprintf(b, "          %s  %s\n", p.paint("2", word), p.paint(code, line))
		word = strings.Repeat(" ", len(word))
	}
}

// told prints what happened in a case.
func (p *trialPage) told(b *strings.Builder, t *triedCase) {
	o := t.outcome
	line := func(word, text string) { p.block(b, word, "0", text) }
	if p.verbose && o.Refused == nil {
		line("asked    ", t.c.Request.Method+" "+t.c.Request.Target)
		for _, c := range o.Calls {
			line("called   ", c.String())
		}
		if o.Upstream != nil {
			line("upstream ", o.Upstream.String())
		}
		if o.Response != nil {
			line("response ", fmt.Sprintf("%d, %s", o.Response.Status, count(len(o.Response.Body), "byte")))
		}
	}
	if o.Refused != nil && p.verbose {
		line("refused  ", o.Refused.Error())
	}
	if p.verbose && o.Err != nil {
		line("error    ", o.Err.Error())
	}
	const few, wide = 20, 200
	for i, l := range o.Log {
		if i == few && !p.verbose {
			line("log      ", "… -v shows all "+count(len(o.Log), "line"))
			break
		}
		text := l.String()
		if r := []rune(text); !p.verbose && len(r) > wide {
			text = string(r[:wide-1]) + "…"
		}
		line("log      ", text)
	}
	for _, n := range o.Notes {
		line("weir     ", n)
	}
}

// printSum prints the last line.
func (r *trialReport) printSum(a *app) error {
	colour := isTerminal(a.stdout)
	parts := []string{count(r.Passed+r.Failed+r.Skipped, "case")}
	switch {
	case r.Failed > 0:
		parts = append(parts, painted(colour, "1;31", fmt.Sprintf("%d failed", r.Failed)))
	case r.Passed > 0:
		parts = append(parts, painted(colour, "32", "all well"))
	}
	if r.Skipped > 0 {
		parts = append(parts, painted(colour, "33", fmt.Sprintf("%d skipped", r.Skipped)))
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s, in %s\n", strings.Join(parts, ", "), tookText(time.Duration(r.Seconds*1e9)))
	return err
}

func painted(colour bool, code, text string) string {
	if !colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
