package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// TestExamples_SDK runs the READMEs' commands of filters that are written with the SDK.
func TestExamples_SDK(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, module      string
		commands          int
		address, upstream string // of the program that belongs to it
	}{
		{"rewrite", "rewrite.wasm", 1, "", ""},
		{"ab", "ab.wasm", 3, "", ""},
		{"forward-auth", "gate.wasm", 3, "127.0.0.1:9300", "./keeper"},
		{"llm", "guard.wasm", 1, "127.0.0.1:9301", "./model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needsFilters(t)
			if c.address == "" {
				c.address, c.upstream = "localhost", "localhost"
			} else {
				c.upstream = startExample(t, c.name, c.upstream)
			}
			p := runExample(t, c.name, c.address, c.upstream, guestOf(t, c.name, c.module, "-buildmode=c-shared"))
			p.follow(t, c.name, c.commands, "localhost:8443", p.https, "curl ", "curl -sS ")
		})
	}
}

// TestExamples_Hello has the example's script begin and build a filter in each language.
func TestExamples_Hello(t *testing.T) {
	t.Parallel()
	if raced() {
		t.Skip("other programs do nearly all of it")
	}
	p := runExample(t, "hello", "localhost", "localhost", func(dir string) {
		cmd := exec.CommandContext(t.Context(), clients.Find(t, "sh"), "build.sh")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(string(out), "To install it") && os.Getenv("WEIR_CI") == "" {
			t.Skipf("%s; .ci/run installs it", out)
		}
		if err != nil {
			t.Fatalf("build.sh: %v\n%s", err, out)
		}
	})
	p.follow(t, "hello", 4, "localhost:8443", p.https)
}
