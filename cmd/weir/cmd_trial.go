package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/wasmhost/trial"
)

// filterTestCmd is `weir filter test`.
type filterTestCmd struct {
	Files []string `arg:"" optional:"" help:"The module, and files of cases; or a directory with both. Default: the one *.wasm and the cases.yaml of this directory."`

	Only    *regexp.Regexp `name:"run" placeholder:"REGEXP" help:"Run only cases whose names match."`
	Verbose bool           `short:"v" help:"Show what each case did, and what guests logged."`
	JSON    bool           `name:"json" help:"Print JSON."`
	Schema  bool           `help:"Print the JSON Schema of files of cases, for editors."`
}

// Help is what `weir filter test --help` adds.
func (*filterTestCmd) Help() string {
	return `A case is a request, the answers of what is behind the filter and of what it calls, and what is to come of it:

  cases:
    - request: GET /hello
      expect: {response: {status: 200, header: {x-hello: world}}}

TESTING has the whole format. Exit code 1: a case failed; 64: the command line is wrong.`
}

// trialFiles are a module and the files of its cases.
type trialFiles struct {
	module string
	cases  []*config.Cases
}

func (cmd *filterTestCmd) Run(a *app) error {
	if cmd.Schema {
		_, err := a.stdout.Write(config.CasesSchema())
		return err
	}
	files, err := findTrial(cmd.Files)
	if _, ok := errors.AsType[config.Errors](err); ok {
		return err
	} else if err != nil {
		return a.misused("weir filter test", err)
	}
	code, err := readModule(files.module)
	if err != nil {
		return hinted{err, "build it first: weir filter build"}
	}
	report := &trialReport{Module: files.module, Size: len(code), Files: []trialFile{}}
	began := time.Now()
	for _, c := range files.cases {
		done, err := cmd.try(a, files.module, code, c, report)
		if err != nil {
			return err
		}
		report.Files = append(report.Files, done)
	}
	report.Seconds = time.Since(began).Seconds()
	if report.Passed+report.Failed == 0 && cmd.Only != nil {
		return a.misused("weir filter test", fmt.Errorf("no case has a name that matches %s", cmd.Only))
	}
	if cmd.JSON {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		err = report.printSum(a)
	}
	if err == nil && report.Failed > 0 {
		err = exitError(exitFailed)
	}
	return err
}

// misused says that a command line is wrong.
func (a *app) misused(command string, err error) error {
	fmt.Fprintf(a.stderr, "%s: %s\n", command, printable(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(a.stderr, "     ", hint)
	}
	return exitError(exitUsage)
}

// try runs the cases of one file, and prints what comes of them as it comes.
func (cmd *filterTestCmd) try(a *app, module string, code []byte, c *config.Cases, report *trialReport) (trialFile, error) {
	done := trialFile{File: c.File, Cases: []trialCase{}}
	cases, err := casesOf(module, c)
	if err != nil {
		return done, err
	}
	r, err := trial.New(code, trial.Options{CacheDir: trialCache(), Shared: c.Shared})
	if err != nil {
		return done, fmt.Errorf("%s: %w", module, err)
	}
	defer r.Close()
	report.ABI = r.ABI()
	page := &trialPage{app: a, file: c.File, verbose: cmd.Verbose}
	if !cmd.JSON {
		if err := page.begin(report, cases); err != nil {
			return done, err
		}
	}
	if err := cmd.compile(page, r, cases); err != nil {
		return done, err
	}
	for i := range cases {
		one := &cases[i]
		if cmd.Only != nil && !cmd.Only.MatchString(one.Name) {
			continue
		}
		came, err := tried(r, one)
		if err != nil {
			return done, fmt.Errorf("%s:%d: %s: %w", c.File, one.At.Line, one.Name, err)
		}
		report.count(came)
		done.Cases = append(done.Cases, came.json())
		if !cmd.JSON {
			if err := page.print(came); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// compile has the module compiled, and says so where that took long.
func (cmd *filterTestCmd) compile(page *trialPage, r *trial.Runner, cases []trial.Case) error {
	const long = time.Second
	began := time.Now()
	r.Compile(context.Background(), &cases[0])
	took := time.Since(began)
	if took < long || cmd.JSON {
		return nil
	}
	_, err := fmt.Fprintf(page.app.stdout, "  %s\n\n", page.paint("2", "compiled in "+tookText(took)+"; that is kept"))
	return err
}

// triedCase is a case with what came of it; outcome is nil if it was not run.
type triedCase struct {
	c        *trial.Case
	outcome  *trial.Outcome
	failures []trial.Failure
}

func tried(r *trial.Runner, c *trial.Case) (*triedCase, error) {
	if c.Skip != "" {
		return &triedCase{c: c}, nil
	}
	o, err := r.Run(context.Background(), c)
	if err != nil {
		return nil, err
	}
	return &triedCase{c, o, c.Check(o)}, nil
}

// trialCache is where modules that are tested again and again are kept compiled.
func trialCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "weir", "wasm-cache")
	if os.MkdirAll(dir, 0o700) != nil {
		return "" // it only takes longer
	}
	return dir
}

const casesFile = "cases.yaml"

// findTrial finds what is tested and with what, from the arguments of a command.
func findTrial(args []string) (*trialFiles, error) {
	var f trialFiles
	var names []string
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("there is no %s", arg)
		case err != nil:
			return nil, err
		case info.IsDir():
			names = append(names, filepath.Join(arg, casesFile))
		case strings.HasSuffix(arg, ".wasm") && f.module != "":
			return nil, errors.New("one module at a time")
		case strings.HasSuffix(arg, ".wasm"):
			f.module = arg
		default:
			names = append(names, arg)
		}
	}
	if len(names) == 0 {
		names = []string{casesFile}
		if beside := filepath.Join(filepath.Dir(f.module), casesFile); !exists(casesFile) && exists(beside) {
			names[0] = beside
		}
	}
	for _, name := range names {
		c, err := config.LoadCases(name, os.LookupEnv)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hinted{fmt.Errorf("there is no %s", name), "a file of cases says what is tested; the shortest is: cases: [{request: GET /, expect: 200}]"}
		} else if err != nil {
			return nil, err
		}
		f.cases = append(f.cases, c)
	}
	return &f, f.findModule(filepath.Dir(names[0]))
}

// findModule finds the module that is tested, where the command line does not name it.
func (f *trialFiles) findModule(dir string) error {
	if f.module != "" {
		return nil
	}
	for _, c := range f.cases {
		if f.module != "" && c.Plugin.Wasm != f.module {
			return errors.New("the files of cases name several modules; name one on the command line")
		}
		f.module = c.Plugin.Wasm
	}
	if f.module != "" {
		return nil
	}
	all, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	switch {
	case err != nil:
		return err
	case len(all) == 0:
		return hinted{fmt.Errorf("there is no module in %s", dir), "build it first: weir filter build"}
	case len(all) > 1:
		slices.Sort(all)
		return hinted{fmt.Errorf("there are several modules: %s", strings.Join(all, ", ")), "name one, or write wasm: into " + cmp.Or(f.cases[0].File, casesFile)}
	}
	f.module = all[0]
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
