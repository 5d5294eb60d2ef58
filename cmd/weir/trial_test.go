package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/wasmhost/corpus"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

var updateTrial = flag.Bool("update-trial", false, "write what weir filter test prints anew")

// weirTest runs a command of this program.
func weirTest(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// TestTrial_RealFilters runs cases against filters and programs of others, of each ABI.
func TestTrial_RealFilters(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/trial/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, file := range files {
		left[strings.TrimSuffix(filepath.Base(file), ".yaml")] = true
	}
	delete(left, "failures")
	delete(left, "bench")
	for _, g := range corpus.Guests() {
		name := strings.ReplaceAll(g.Name, "/", "-")
		if !left[name] {
			continue
		}
		delete(left, name)
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := weirTest("filter", "test", g.File(t), filepath.Join("testdata/trial", name+".yaml"))
			if code != 0 || errs != "" {
				t.Errorf("exit code %d: %s\n%s", code, errs, out)
			}
		})
	}
	for name := range left {
		t.Errorf("testdata/trial/%s.yaml is of no guest", name)
	}
}

// notes builds the filter that sdk/TESTING.md is about.
var notes = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "weir-notes-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "notes.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, ".")
	cmd.Dir, cmd.Env = "testdata/notes", append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return string(out), err
	}
	return file, nil
})

func buildNotes(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		if os.Getenv("WEIR_CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	file, err := notes()
	if err != nil {
		t.Fatalf("build notes: %v\n%s", err, file)
	}
	return file
}

// varying is what differs from run to run: times, fuel, memory, stacks and addresses.
var varying = regexp.MustCompile(`(?m) +[0-9.]+ (µs|ms|s) +[0-9,]+ fuel +[0-9.]+ [KM]iB$|, in [0-9.]+ (µs|ms|s)$|^  compiled in .*\n\n|\$[0-9]+(, |$)`)

// TestTrial_FailuresCanBeRead has each kind of expectation fail once.
func TestTrial_FailuresCanBeRead(t *testing.T) {
	t.Parallel()
	file := buildNotes(t)
	code, out, errs := weirTest("filter", "test", file, "testdata/trial/failures.yaml")
	if code != 1 || errs != "" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	out = strings.ReplaceAll(out, file, "notes.wasm")
	out = varying.ReplaceAllString(out, "")
	out = regexp.MustCompile(`(at most [0-9,]+(?: bytes)?\n +got +)[0-9,]+`).ReplaceAllString(out, "${1}more")
	const golden = "testdata/trial/failures.txt"
	if *updateTrial {
		if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
}

// TestTrial_SaysWhereGuestsTrap has guests fail that no case expects to.
func TestTrial_SaysWhereGuestsTrap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	traps := Module{Pages: 1, Funcs: []Func{
		{Name: "handle_request", Results: []wasm.ValueType{wasm.I64}, Body: Code{Unreachable}},
		{Name: "handle_response", Params: I32x2},
	}}.Bytes()
	loops := Module{Pages: 1, Funcs: []Func{
		{Name: "handle_request", Results: []wasm.ValueType{wasm.I64}, Body: Code{Loop, Void, Br, 0, End, I64Const, 0}},
		{Name: "handle_response", Params: I32x2},
	}}.Bytes()
	write(t, dir, "cases.yaml", "cases: [{request: GET /, expect: 500}, {name: open, on_error: open, expect: 200}, {name: expected, expect: {error: 'unreachable|cpu'}}]")
	for name, tt := range map[string]struct {
		code []byte
		want string
	}{
		"traps": {traps, "guest failed in handle_request: unreachable"},
		"loops": {loops, "limit"},
	} {
		write(t, dir, name+".wasm", string(tt.code))
		code, out, errs := weirTest("filter", "test", filepath.Join(dir, name+".wasm"), filepath.Join(dir, "cases.yaml"))
		if code != 1 || errs != "" || strings.Count(out, "want  no failure\n          got   guest failed in handle_request") != 2 ||
			!strings.Contains(out, tt.want) || !strings.Contains(out, "3 cases, 2 failed") {
			t.Errorf("%s: exit code %d: %s%s", name, code, errs, out)
		}
	}
}

func TestTrial_JSONSaysWhatTheTextDoes(t *testing.T) {
	t.Parallel()
	file := buildNotes(t)
	code, out, _ := weirTest("filter", "test", "--json", "--run", "^(a status|the store)$", file, "testdata/trial/failures.yaml")
	var r trialReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	if r.Failed != 2 || r.Passed != 0 || r.ABI != "proxy-wasm" || len(r.Files) != 1 || len(r.Files[0].Cases) != 2 {
		t.Fatalf("got %+v", r)
	}
	one := r.Files[0].Cases[0]
	want := trialFailure{Line: 7, Col: 13, What: "response status", Want: "404", Got: "200"}
	if one.Name != "a status" || one.Result != "fail" || one.Fuel == 0 || one.Memory == 0 || one.Seconds == 0 || !slices.Equal(one.Failures, []trialFailure{want}) || len(one.Log) != 1 {
		t.Errorf("got %+v", one)
	}
}

func TestTrial_ExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "f.wasm", string(stamp("hello")))
	write(t, dir, "good.yaml", "cases: [{expect: 200}]")
	write(t, dir, "bad.yaml", "cases: [{expect: 201}]")
	write(t, dir, "wrong.yaml", "cases: [{expect: 20}]")
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, tt := range []struct {
		want int
		args []string
	}{
		{exitOK, []string{"test", file("f.wasm"), file("good.yaml")}},
		{exitFailed, []string{"test", file("f.wasm"), file("bad.yaml")}},
		{exitFailed, []string{"test", "--json", file("f.wasm"), file("bad.yaml")}},
		{exitFailed, []string{"test", file("f.wasm"), file("wrong.yaml")}},
		{exitUsage, []string{"test", "--run", "nothing", file("f.wasm"), file("good.yaml")}},
		{exitUsage, []string{"test", "--run", "(", file("f.wasm"), file("good.yaml")}},
		{exitUsage, []string{"test", file("f.wasm"), file("f.wasm")}},
		{exitUsage, []string{"test", file("f.wasm"), file("none.yaml")}},
		{exitUsage, []string{"test", file("f.wasm")}},
		{exitUsage, []string{"test", file("none.wasm"), file("good.yaml")}},
		{exitUsage, []string{"test", dir}},
		{exitOK, []string{"bench", "--time", "10ms", file("f.wasm")}},
		{exitFailed, []string{"bench", "--time", "10ms", file("f.wasm"), file("bad.yaml")}},
		{exitUsage, []string{"bench", "--time", "1ms", file("f.wasm")}},
		{exitUsage, []string{"bench", "-p", "0", file("f.wasm")}},
		{exitUsage, []string{"bench", "--run", "nothing", file("f.wasm"), file("good.yaml")}},
	} {
		if code, out, errs := weirTest(append([]string{"filter"}, tt.args...)...); code != tt.want {
			t.Errorf("%s: exit code %d, want %d: %s%s", tt.args, code, tt.want, out, errs)
		}
	}
}

func TestBench_MeasuresWithAndWithout(t *testing.T) {
	t.Parallel()
	file := buildNotes(t)
	for _, parallel := range []string{"1", "4"} {
		code, out, errs := weirTest("filter", "bench", "--json", "--time", "100ms", "-p", parallel, "--run", "^a text$", file, "testdata/trial/bench.yaml")
		var r benchResult
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
			t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
		}
		if r.Requests < 10 || r.Failed != 0 || r.Without == nil || r.With.Median <= r.Without.Median || r.Fuel < 1000 || r.Memory < 1<<20 || r.Instances < 1 || r.Compile <= 0 || r.Start <= 0 || r.Allocs < 1 {
			t.Errorf("got %+v", r)
		}
	}
	code, out, errs := weirTest("filter", "bench", "--time", "50ms", file, "testdata/trial/failures.yaml")
	if code != 1 || out != "" || !strings.Contains(errs, `the case "a status" fails: response status: want 404, got 200`) {
		t.Errorf("a case that fails: exit code %d: %s%s", code, out, errs)
	}
}
