package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// runExample runs an example's configuration, in a copy, on ports of its own, with
// upstream in the place of the address that it names. prepare adds to the copy.
func runExample(t *testing.T, name, address, upstream string, prepare ...func(dir string)) *program {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example(name))); err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(dir)
	}
	keepCompiled(t, dir)
	conf, err := os.ReadFile(filepath.Join(dir, "weir.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(conf), "127.0.0.1:8443") || !strings.Contains(string(conf), address) {
		t.Fatalf("the example has other addresses now:\n%s", conf)
	}
	own := strings.NewReplacer("127.0.0.1:8443", "${HTTPS}", address, upstream).Replace(string(conf))
	return startProgram(t, dir, "admin: \"${ADMIN}\"\nlog: {format: json}\n"+own)
}

// startExample builds and starts a program of an example, which says where it listens
// after the word at, and returns that.
func startExample(t *testing.T, name, pkg string) (address string) {
	t.Helper()
	p := clients.Start(t, "", nil, buildExample(t, name, pkg), "-addr", "127.0.0.1:0")
	_, address, _ = strings.Cut(p.Line(t, " at "), " at ")
	return address
}

// follow runs every command of an example's README that has its output below it, and
// compares the two. Where the README has … there may be anything in the line.
func (p *program) follow(t *testing.T, name string, commands int, replace ...string) {
	t.Helper()
	readme, err := os.ReadFile(example(name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(readme), "\n")
	followed := 0
	for i, line := range lines {
		command, ok := strings.CutPrefix(line, "    $ ")
		if !ok {
			continue
		}
		followed++
		var want []string
		for _, l := range lines[i+1:] {
			text, indented := strings.CutPrefix(l, "    ")
			if !indented {
				break
			}
			want = append(want, text)
		}
		cmd := exec.CommandContext(t.Context(), clients.Find(t, "sh"), "-c", strings.NewReplacer(replace...).Replace(command))
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CURL_CA_BUNDLE="+p.root(), "WEIR_DATA_DIR="+filepath.Join(p.dir, "data"), "no_proxy=*")
		out, err := cmd.Output()
		got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		if len(out) == 0 {
			got = nil
		}
		if err != nil || !slices.EqualFunc(got, want, isLike) {
			t.Errorf("%s\nsays %q, %v, the README has %q", command, got, err, want)
		}
	}
	if followed != commands {
		t.Errorf("the README of %s has %d commands, want %d", name, followed, commands)
	}
}

// isLike tells whether a line is as the README has it.
func isLike(line, readme string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(readme), "…", ".*") + "$").MatchString(line)
}

// shots is where pictures go: WEIR_SHOTS, to look at them.
func shots(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("WEIR_SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// TestExamples_App runs the README's commands, and then sees two open pages of one
// browser hear of what the other does.
func TestExamples_App(t *testing.T) {
	t.Parallel()
	p := runExample(t, "app", "127.0.0.1:9200", startExample(t, "app", "."))
	p.follow(t, "app", 4, "localhost:8443", p.https, "curl ", "curl -sS ")
	for _, dark := range []bool{false, true} {
		browser := clients.NewChromium(t, p.root())
		browser.Dark, browser.Width, browser.Height = dark, 900, 700
		page := browser.Open(t, "https://"+p.https+"/")
		if got := page.Eval(t, `document.querySelectorAll("li").length && document.querySelector("li span").textContent`); got != "Bring boots." {
			t.Errorf("the newest note is %q, want the one that curl added", got)
		}
		before := page.Eval(t, `state.textContent`)
		page.Eval(t, `window.added ??= (form.elements.text.value = "Look at the gauge.", form.requestSubmit(), true)`)
		page.Eval(t, `state.textContent !== "`+before+`" && document.querySelector("li span").textContent === "Look at the gauge."`)
		page.Screenshot(t, filepath.Join(shots(t), "app-"+shade(dark)+".png"))
		page.Eval(t, `window.removed ??= (document.querySelector("li button").click(), true)`)
		page.Eval(t, `state.textContent === "`+before+`"`)
	}
	for _, want := range []string{"HTTP/2.0 /api/notes 201", "HTTP/2.0 /app.css 200", "HTTP/1.1 / 200"} {
		if !p.logged(want) {
			t.Errorf("no %q in the access log: %q", want, p.accessLines())
		}
	}
}

func shade(dark bool) string {
	if dark {
		return "dark"
	}
	return "light"
}

// TestExamples_WebSocket has a browser over HTTP/3 and one over HTTP/2 in the same
// chat, with a third guest who came by an upgrade.
func TestExamples_WebSocket(t *testing.T) {
	t.Parallel()
	p := runExample(t, "websocket", "127.0.0.1:9202", startExample(t, "websocket", "."))
	pages := map[bool]*clients.Page{}
	for _, quic := range []bool{true, false} {
		browser := clients.NewChromium(t, p.root())
		browser.QUIC, browser.Dark, browser.Width, browser.Height = quic, quic, 700, 700
		pages[quic] = browser.Open(t, "https://"+p.https+"/")
		pages[quic].Eval(t, `state.textContent === "connected"`)
	}
	guest := clients.WebSocket(t, "h1", p.root(), "https://"+p.https+"/chat", p.udp(), 0)
	guest.Line(t, "open")
	guest.Say(t, `{"from": "curl", "said": "Is it high?"}`)
	for _, quic := range []bool{true, false} {
		pages[quic].Eval(t, `document.querySelector("li p").textContent === "Is it high?"`)
	}
	pages[true].Eval(t, `window.said ??= (text.value = "Up to the second step.", form.requestSubmit(), true)`)
	pages[false].Eval(t, `document.querySelectorAll("li").length === 2`)
	pages[false].Eval(t, `window.said ??= (text.value = "Then I shall take the bridge, and be a little late. Do not wait with dinner.", form.requestSubmit(), true)`)
	for _, quic := range []bool{true, false} {
		pages[quic].Eval(t, `document.querySelectorAll("li").length === 3`)
		pages[quic].Screenshot(t, filepath.Join(shots(t), "websocket-"+shade(quic)+".png"))
	}
	guest.Line(t, "take the bridge")
	guest.End(t)
}

// TestExamples_GRPC runs the README's command.
func TestExamples_GRPC(t *testing.T) {
	t.Parallel()
	p := runExample(t, "grpc", "127.0.0.1:9201", startExample(t, "grpc", "./server"))
	p.follow(t, "grpc", 1, "./client", "./client -addr "+p.https)
}

// guestOf builds the guest of an example as its README says, into a copy of the example.
func guestOf(t *testing.T, name, to string, flags ...string) func(dir string) {
	return func(dir string) {
		t.Helper()
		args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(dir, to)}, flags...)
		cmd := exec.CommandContext(t.Context(), clients.Find(t, "go"), args...)
		cmd.Dir, cmd.Env = filepath.Join(example(name), "guest"), append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %q in examples/%s/guest: %v\n%s", args, name, err, text)
		}
	}
}

// TestExamples_Filter runs the README's commands.
func TestExamples_Filter(t *testing.T) {
	t.Parallel()
	p := runExample(t, "filter", "localhost", "localhost", guestOf(t, "filter", "filter.wasm", "-buildmode=c-shared"))
	p.follow(t, "filter", 4, "localhost:8443", p.https, "curl ", "curl -sS ")
	if !p.logged("HTTP/2.0 /locked 401") {
		t.Errorf("the refusal is not in the access log: %q", p.accessLines())
	}
}

// TestExamples_CGI runs the README's commands.
func TestExamples_CGI(t *testing.T) {
	t.Parallel()
	p := runExample(t, "cgi", "localhost", "localhost", guestOf(t, "cgi", "www/cgi-bin/hello.wasm"))
	p.follow(t, "cgi", 4, "localhost:8443", p.https, "curl ", "curl -sS ")
}
