package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/examples/module-go/board"
	"github.com/weirproxy/weir/examples/module-go/board/boardtest"
)

// startBoard runs weir with the configuration of examples/module-go, and the gauge that
// its module asks.
func startBoard(t *testing.T) *program {
	t.Helper()
	gauge := httptest.NewServer(http.HandlerFunc(boardtest.Gauge))
	t.Cleanup(gauge.Close)
	conf, err := os.ReadFile(example("module-go", "weir.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	own := strings.NewReplacer(`https: "127.0.0.1:8443"`, `http: "${HTTP}", https: "${HTTPS}"`, "127.0.0.1:9204", strings.TrimPrefix(gauge.URL, "http://"),
		"./board.wasm", goGuest(t, filepath.Join("examples", "module-go")), "    module: board", "    http: serve\n    module: board").Replace(string(conf))
	dir := t.TempDir()
	keepCompiled(t, dir)
	return startProgram(t, dir, "admin: \"${ADMIN}\"\n"+own)
}

// TestModuleGo_AnswersAsAProgram asks the board everything twice: with net/http's server,
// and as a module over each protocol. The answers are the same to the byte.
func TestModuleGo_AnswersAsAProgram(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			p := startBoard(t)
			gauge := httptest.NewServer(http.HandlerFunc(boardtest.Gauge))
			t.Cleanup(gauge.Close)
			alone := httptest.NewUnstartedServer(board.New(board.Options{Gauge: gauge.URL}))
			alone.EnableHTTP2 = proto == "h2"
			start := alone.StartTLS
			if proto == "h1" {
				start = alone.Start
			}
			start()
			t.Cleanup(alone.Close)
			l := p.leaver(t, proto)
			t.Cleanup(l.cut)
			got := boardtest.Run(t, l, l.url)
			want := boardtest.Run(t, alone.Client().Transport, alone.URL)
			for _, x := range boardtest.Table() {
				if g, w := got[x.Name], want[x.Name]; g != w {
					t.Errorf("%s: the module answers\n%s\nand the program\n%s", x.Name, g[:min(len(g), 1200)], w[:min(len(w), 1200)])
				}
			}
			if t.Failed() {
				t.Log(p.tail())
			}
		})
	}
}

// TestExamples_ModuleGo runs the README's commands.
func TestExamples_ModuleGo(t *testing.T) {
	t.Parallel()
	p := runExample(t, "module-go", "127.0.0.1:9204", "127.0.0.1:1", func(dir string) {
		if err := os.Rename(goGuest(t, filepath.Join("examples", "module-go")), filepath.Join(dir, "board.wasm")); err != nil {
			t.Fatal(err)
		}
	})
	p.follow(t, "module-go", 6, "localhost:8443", p.https, "curl --max-time", "curl -s --max-time", "curl ", "curl -sS ")
}
