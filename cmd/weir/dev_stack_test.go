package main

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
)

// panicked is what a panic in a Go filter makes its guest say: the SDK in one text, and then
// Go's runtime line by line.
var panicked = []string{
	"panic: no such user\ngoroutine 6 [running]:\ngithub.com/weirproxy/weir/sdk/weir.trace()\n\t/x/weir-sdk/sdk/weir/panic.go:30 +0x9\npanic({0x1, 0x2})\n\t/usr/local/go/src/runtime/panic.go:860 +0x1c\n" +
		"main.hello(0x250040, 0x210060)\n\t/x/main.go:15 +0x19\ngithub.com/weirproxy/weir/sdk/weir.(*stream).run(0x250008)\n\t/x/weir-sdk/sdk/weir/stream.go:142 +0xb\ncreated by iter.Pull[...] in goroutine 1\n\t/usr/local/go/src/iter/iter.go:271 +0x6\n",
	"panic: no such user", "goroutine 1 [running]:", "iter.Pull[...].func2()", "\titer/iter.go:326 +0x10",
}

func TestScreen_ShowsTheAuthorsPartOfAStack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		verbose bool
		lines   []string
		stack   string
		want    string
	}{
		{"Go", false, panicked, "runtime.abort\nruntime.gopanic\nproxy_on_request_headers\nprinted:\npanic: no such user\n", `
error   panic: no such user
        main.hello(0x250040, 0x210060)
          /x/main.go:15 +0x19
failed  guest failed in f: unreachable
`},
		{"Rust", false, []string{"ready", "thread '<unnamed>' panicked at 'no such user', src/lib.rs:1:2"}, "rust_panic\ncore::panicking::panic_fmt\nstamp_it::hello\nweir::exports::run\nproxy_on_request_headers", `
error   ready
error   thread '<unnamed>' panicked at 'no such user', src/lib.rs:1:2
failed  guest failed in f: unreachable
        stamp_it::hello
`},
		{"AssemblyScript", false, []string{"abort: no such user at assembly/index.ts:5:3"}, "~lib/builtins/abort\nassembly/index/Hello#onResponse\nproxy_on_response_headers", `
error   abort: no such user at assembly/index.ts:5:3
failed  guest failed in f: unreachable
        assembly/index/Hello#onResponse
`},
		{"of steering", false, []string{"\x1b[2Jnothing\x07"}, "f\x1b[31m", `
error   ` + "\uFFFD[2Jnothing\uFFFD" + `
failed  guest failed in f: unreachable
        f` + "\uFFFD" + `[31m
`},
		{"all", true, panicked[1:], "runtime.abort\nmain.f", `
error   panic: no such user
        goroutine 1 [running]:
        iter.Pull[...].func2()
          iter/iter.go:326 +0x10
failed  guest failed in f: unreachable
        runtime.abort
        main.f
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := newScreen(&out, false, c.verbose)
			log := slog.New(s).With("plugin", "it")
			for range 2 { // the second time is like the first
				out.Reset()
				for _, line := range c.lines {
					log.Error("guest says", "text", line, "id", "1")
				}
				log.Error("guest failed", "err", "guest failed in f: unreachable", "stack", c.stack)
				got := regexp.MustCompile(`(?m)^(\d\d:\d\d:\d\d\.\d{3} | {13})`).ReplaceAllString(out.String(), "")
				if got != strings.TrimPrefix(c.want, "\n") {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
			}
		})
	}
}

// TestScreen_SaysWhatIsWrongWithWeir: of weir's own log, warnings and errors; with -v all.
func TestScreen_SaysWhatIsWrongWithWeir(t *testing.T) {
	t.Parallel()
	for verbose, want := range map[bool]string{
		false: "warn    slow disk took=\"3s\"\n",
		true:  "info    reloaded sites=\"1\"\nwarn    slow disk took=\"3s\"\n",
	} {
		var out bytes.Buffer
		s := newScreen(&out, false, verbose)
		log := slog.New(s)
		log.Info("reloaded", "sites", 1)
		log.Warn("slow disk", "took", 3*time.Second)
		if got := regexp.MustCompile(`(?m)^\S+ `).ReplaceAllString(out.String(), ""); got != want {
			t.Errorf("verbose %v: got\n%s\nwant\n%s", verbose, got, want)
		}
		if s.Enabled(context.Background(), slog.LevelDebug) != verbose {
			t.Errorf("verbose %v: debugging is said, or is not", verbose)
		}
	}
}

func TestStackInShort_HasTheAuthorsFunctions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"runtime.abort\nmain.hello\nproxy_on_x\nprinted:\nmain.x()": "main.hello",
		"printed:\nmain.x()": "",
		"main.a\nmain.b":     "main.a\nmain.b",
	} {
		if got := stackInShort(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
