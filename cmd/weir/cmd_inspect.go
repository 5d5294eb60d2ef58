package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/meter"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

type inspectCmd struct {
	File   string `arg:"" help:"The module."`
	Config string `short:"c" placeholder:"TEXT" help:"What the guest reads as its configuration."`
	RootID string `placeholder:"ID" help:"Which of several filters in a Proxy-Wasm module."`
	JSON   bool   `name:"json" help:"Print JSON, with all imports and exports."`
}

// inspection is what `weir filter inspect` finds out. Times are in seconds.
type inspection struct {
	File      string         `json:"file"`
	SHA256    string         `json:"sha256"`
	Size      int            `json:"size"`
	ABI       string         `json:"abi,omitempty"`
	Problem   string         `json:"problem,omitempty"` // why it cannot be used
	Name      string         `json:"name,omitempty"`
	Toolchain []string       `json:"toolchain,omitempty"`
	Functions int            `json:"functions"`
	Features  []string       `json:"features,omitempty"`
	Memory    *memoryJSON    `json:"memory,omitempty"`
	Imports   []externalJSON `json:"imports"`
	Exports   []externalJSON `json:"exports"`
	Metered   int            `json:"metered_size,omitempty"` // with what counts fuel
	Hides     string         `json:"no_image,omitempty"`     // what keeps instances from being frozen
	Compile   float64        `json:"compile,omitempty"`
	Start     float64        `json:"start,omitempty"`
	Fuel      int64          `json:"start_fuel,omitempty"`
	Refused   string         `json:"refused,omitempty"` // what it said of its configuration
}

type memoryJSON struct {
	Initial int64 `json:"initial"`
	Most    int64 `json:"most,omitempty"`
	Started int64 `json:"started,omitempty"`
}

type externalJSON struct {
	Module string `json:"module,omitempty"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Type   string `json:"type,omitempty"`
}

func (cmd *inspectCmd) Run(a *app) error {
	code, err := readModule(cmd.File)
	if err != nil {
		return hinted{err, ""}
	}
	sum := sha256.Sum256(code)
	i := inspection{File: cmd.File, SHA256: hex.EncodeToString(sum[:]), Size: len(code)}
	m, err := wasm.Parse(code)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	i.tell(m)
	if err := i.try(code, guest.Use{Root: cmd.RootID, Config: []byte(cmd.Config)}); err != nil {
		i.Problem = err.Error()
	}
	if cmd.JSON {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		err = e.Encode(&i)
	} else {
		var text strings.Builder
		i.print(&text)
		_, err = io.WriteString(a.stdout, printable(text.String()))
	}
	if err == nil && i.Problem != "" {
		err = exitError(exitFailed)
	}
	return err
}

// tell notes what the module says of itself.
func (i *inspection) tell(m *wasm.Module) {
	const page = 64 << 10
	i.Name, i.Functions, i.Features = m.Name, m.Functions, m.Features
	for _, p := range m.Producers {
		// Go names itself as the language, and again as "Go cmd/compile".
		if slices.ContainsFunc(m.Producers, func(q wasm.Producer) bool { return strings.HasPrefix(q.Name, p.Name+" ") }) {
			continue
		}
		i.Toolchain = append(i.Toolchain, strings.TrimSpace(p.Name+" "+p.Version))
	}
	if m.GoBuild && len(i.Toolchain) == 0 {
		i.Toolchain = []string{"Go"}
	}
	if m.Memory != nil {
		i.Memory = &memoryJSON{Initial: int64(m.Memory.Min * page)}
		if m.Memory.HasMax {
			i.Memory.Most = int64(m.Memory.Max * page)
		}
	}
	for _, e := range m.Imports {
		i.Imports = append(i.Imports, externalJSON{e.Module, e.Name, e.Kind.String(), typeOf(e.Kind, e.Type)})
	}
	for _, e := range m.Exports {
		i.Exports = append(i.Exports, externalJSON{"", e.Name, e.Kind.String(), typeOf(e.Kind, e.Type)})
	}
}

// typeOf prints the type of a function: "(i32, i32) i64".
func typeOf(k wasm.Kind, t wasm.FuncType) string {
	if k != wasm.Func {
		return ""
	}
	list := func(all []wasm.ValueType) string {
		words := make([]string, len(all))
		for i, v := range all {
			words[i] = v.String()
		}
		return strings.Join(words, ", ")
	}
	return strings.TrimSpace("(" + list(t.Params) + ") " + list(t.Results))
}

// try compiles and starts the module, without a cache and with nothing granted.
func (i *inspection) try(code []byte, use guest.Use) error {
	metered, err := meter.Examine(code)
	if err != nil {
		return err
	}
	i.Metered, i.Hides = len(metered.Code), metered.Hides
	host, err := wasmhost.New(wasmhost.Options{})
	if err != nil {
		return err
	}
	defer host.Close()
	began := time.Now()
	first, err := host.Open(context.Background(), code, wasmhost.Settings{Name: "first"})
	if err != nil {
		return errors.Unwrap(err) // without the name of a plugin that is none
	}
	defer first.Close()
	opened := time.Since(began)
	i.ABI = first.ABI()
	// Another plugin of the same content is not compiled again: the difference is what
	// compiling costs.
	began = time.Now()
	p, err := host.Open(context.Background(), code, wasmhost.Settings{Name: "second"})
	if err != nil {
		return err
	}
	defer p.Close()
	again := time.Since(began)
	i.Compile = max(0, opened-again).Seconds()
	var back func()
	if i.ABI == "cgi" {
		_, back, err = p.Handler(context.Background(), use)
	} else {
		_, back, err = p.Filter(context.Background(), use)
	}
	i.Start = time.Since(began).Seconds()
	if err != nil {
		i.Refused = errors.Unwrap(err).Error()
		return nil
	}
	defer back()
	for _, s := range host.Status() {
		if s.Name != "second" {
			continue
		}
		if i.Fuel = s.Counters.Fuel.Load(); i.Memory != nil {
			i.Memory.Started = s.Counters.Memory.Load()
		}
	}
	return nil
}

// isCommand tells whether a module is a program that answers by itself, and no filter.
func isCommand(code []byte) bool {
	m, err := wasm.Parse(code)
	return err == nil && m.HasFunc("_start") && !m.HasFunc("handle_request") &&
		!slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return strings.HasPrefix(e.Name, "proxy_") })
}

func (i *inspection) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n", i.File)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "  %-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	if i.ABI != "" {
		line("speaks", "%s", i.speaks())
	}
	if len(i.Toolchain) > 0 {
		line("made by", "%s", strings.Join(i.Toolchain, ", "))
	}
	line("size", "%s, %s", bytesOf(int64(i.Size)), count(i.Functions, "function"))
	switch {
	case i.Metered > 0 && i.Metered < i.Size:
		line("metering", "leaves %s, without what is for debuggers", bytesOf(int64(i.Metered)))
	case i.Metered > 0:
		line("metering", "adds %s, %.1f%%", bytesOf(int64(i.Metered-i.Size)), 100*float64(i.Metered-i.Size)/float64(i.Size))
	}
	if m := i.Memory; m != nil {
		text := bytesOf(m.Initial)
		if started := bytesOf(m.Started); m.Started > m.Initial && started != text {
			text += ", " + started + " when started"
		}
		if m.Most > 0 {
			text += ", at most " + bytesOf(m.Most)
		}
		line("memory", "%s", text)
	}
	if i.ABI != "" {
		line("compiles", "in %s", rounded(time.Duration(i.Compile*1e9)))
		if i.Refused == "" {
			line("starts", "in %s", rounded(time.Duration(i.Start*1e9)))
		}
	}
	switch {
	case i.ABI == "" || i.ABI == "cgi": // it is started for each request
	case i.Hides != "":
		line("isolation", "of requests by starting an instance for each: it uses %s", i.Hides)
	default:
		line("isolation", "of requests by resetting instances")
	}
	if len(i.Features) > 0 {
		line("features", "%s", strings.Join(i.Features, ", "))
	}
	line("sha256", "%s", i.SHA256)
	line("imports", "%s", byModule(i.Imports))
	line("exports", "%s", names(i.Exports, 13))
	if i.Refused != "" {
		fmt.Fprintf(out, "\n  It does not start with this configuration: %s\n", i.Refused)
	}
	if i.Problem != "" {
		fmt.Fprintf(out, "\n  weir cannot use it: %s\n", i.Problem)
	}
}

// speaks says in words what the ABI is good for.
func (i *inspection) speaks() string {
	switch i.ABI {
	case "proxy-wasm":
		const mark = "proxy_abi_version_"
		at := slices.IndexFunc(i.Exports, func(e externalJSON) bool { return strings.HasPrefix(e.Name, mark) })
		return "proxy-wasm " + strings.ReplaceAll(strings.TrimPrefix(i.Exports[at].Name, mark), "_", ".") + ": a filter, or a module if it replies itself"
	case "http-wasm":
		return "http-wasm: a filter, or a module"
	default:
		return i.ABI + ": a module, or a file below cgi:"
	}
}

// byModule lists the modules that things are imported from, and the things.
func byModule(all []externalJSON) string {
	if len(all) == 0 {
		return "nothing"
	}
	var modules []string
	things := map[string][]externalJSON{}
	for _, e := range all {
		if things[e.Module] == nil {
			modules = append(modules, e.Module)
		}
		things[e.Module] = append(things[e.Module], e)
	}
	for i, m := range modules {
		modules[i] = m + ": " + names(things[m], 15+len(m))
	}
	return strings.Join(modules, "\n"+strings.Repeat(" ", 13))
}

// names lists names, behind width characters of the first line, in lines that fit a
// terminal.
func names(all []externalJSON, width int) string {
	if len(all) == 0 {
		return "nothing"
	}
	var b strings.Builder
	seen := map[string]bool{}
	for i, e := range all {
		if seen[e.Name] {
			continue // a module may import the same thing twice
		}
		seen[e.Name] = true
		switch width += len(", ") + len(e.Name); {
		case i == 0:
		case width > 100:
			b.WriteString(",\n" + strings.Repeat(" ", 13))
			width = 13 + len(e.Name)
		default:
			b.WriteString(", ")
		}
		b.WriteString(e.Name)
	}
	return b.String()
}
