package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weirproxy/weir"

// goroutines is the whole list of what starts goroutines: package, number of places
// (go statements, WaitGroup.Go, AfterFunc), what they are and who ends them. Over
// HTTP/1.1, from end to end, no request starts one; tunnels, and bodies that a cache
// keeps while they arrive, do. Over HTTP/2 and HTTP/3 the libraries below start one per
// stream. A package that is not listed starts none.
const goroutines = `
certs           7  renewal of the internal CA, watch over certificate files: both end at Close; a manager's keeper and its watch over the store, work on one certificate or a read of it, the wait for a lock that may be lost: end at Close, which waits for them in one more
certs/demand    1  a question, and the probe after the first yes, ends at its timeout or at Close
certs/dns01     1  a question to each of a zone's servers, ends at its timeout
certs/issuer    1  what is taken back for who broke an order off, ends by its deadlines; Close waits
certs/rotate    2  the turner of a shared secret and its watch over the store, end at Close
edge/store      5  an operation in an engine, ends with that; a lock's keeper and the release of one that was given up, a watch, locks given back at once: end at Unlock or Close
edge/store/postgres 1 the sweeper of expired entries, ends at Close
edge/store/redis 1 the AfterFunc that closes a watch's connection when its context ends
cmd/weir       13  the watch over a filter's sources and its builds in weir dev, end with the command; the ways to a name that doctor tries at a time; answers to challenges that other nodes publish, HTTPS records that are published, the end of a guard that a reload replaced: end at close; the admin server, the watch over the configuration and the steward of memory, end at their close; a configuration that is built, and plugins that are opened for it, are waited for; the drain and the end of the wasm host at the process's end
edge            8  an accept loop per socket, one goroutine per connection (HTTP/1.1 goes on with a small stack in another), the farewell to a UDP socket, three for Shutdown
edge/cache      4  the store's writer and loader of files and its refreshes, end at Close; one that stores a long body while it arrives, ends with the response's body
edge/exchange   2  the second direction of a tunnel, ends with it; the interruption of who watches a context
edge/http1      3  the sweepers of server and transport, the lookout over clients that leave and upstreams that answer early, one for each of the two, to Shutdown or Close
edge/proxy      1  a mirrored request, of which there are so many at a time, ends at its deadline
edge/upstream   3  a pool's keeper, ends when the pool is released, and waits for what it has started: lookups and health checks
wasmhost        1  the AfterFunc that says what is being compiled, ends with that
wasmhost/vm     1  a compilation, which ends by itself
wasmhost/proxywasm 11 a call to an upstream, whole or by pieces, what services do for a guest, a part of an answer, two kinds of gRPC's, a queue's bell while it rings, instances beyond the first and one that is made anew, two AfterFuncs: a timer's next tick, the end of patience with a root that is not done; all end with their guests
wasmhost/trial  1  clients of a bench, end with it
sdk/weir        1  a goroutine that answers a request, in module mode: the author's
sdk/sdktest     1  whoever is inside a guest, while a test waits for it, ends with the call
cmd/weir/project 1 the watch over a project's sources, ends at its close
examples/module-go/board 1 a report's part, ends with it
wasmhost/cgi    2  a program at work and the AfterFunc that ends a silent one, end with the exchange
edge/accesslog  1  the writer, ends at Close, which flushes
edge/nethttp   22  HTTP/2's server loop, farewells and ends of idle connections, QUIC's accept loop, connections, their streams and drains, the watch over deadlines; for upstreams a reader and a writer per HTTP/2 connection, the streams that an HTTP/3 upstream opens, a sweeper per client, a sender for bodies that make wait, two AfterFuncs for ends of dials and calls
`

// forbiddenNames are package names that say nothing, and so gather everything.
var forbiddenNames = []string{"util", "utils", "common", "helper", "helpers", "types", "model", "models", "core", "misc", "shared", "lib", "base"}

func TestHouse_Goroutines(t *testing.T) {
	t.Parallel()
	want := map[string]int{}
	for line := range strings.Lines(goroutines) {
		var dir string
		var n int
		if strings.TrimSpace(line) == "" {
			continue
		}
		if _, err := fmt.Sscan(line, &dir, &n); err != nil {
			t.Fatalf("goroutines line %q: %v", line, err)
		}
		want[dir] = n
	}
	seen := map[string]bool{}
	for _, p := range readHouse(t) {
		seen[p.dir] = true
		var at []string
		for _, f := range p.files {
			if !f.test {
				at = append(at, f.starts()...)
			}
		}
		if slices.Contains(testOnly, p.dir) {
			continue
		}
		if len(at) != want[p.dir] {
			t.Errorf("%s starts goroutines in %d places, its line says %d: %v\n"+
				"every goroutine needs an owner that ends it; say who in the table of house_test.go and in ARCHITECTURE.md",
				p.dir, len(at), want[p.dir], at)
		}
	}
	for dir := range want {
		if !seen[dir] {
			t.Errorf("goroutines names %s, which is not there", dir)
		}
	}
}

func TestHouse_PackagesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, p := range readHouse(t) {
		documented, code := false, false
		for _, f := range p.files {
			if f.test {
				continue
			}
			code = true
			documented = documented || f.ast.Doc != nil
			for _, name := range f.undocumented() {
				t.Errorf("%s: exported %s has no comment", f.name, name)
			}
		}
		if code && !documented {
			t.Errorf("%s has no package comment", p.dir)
		}
	}
}

func TestHouse_NoHiddenStateOrCatchAlls(t *testing.T) {
	t.Parallel()
	for _, p := range readHouse(t) {
		for _, f := range p.files {
			if name := f.ast.Name.Name; slices.Contains(forbiddenNames, name) {
				t.Errorf("%s: package %s: a name that says nothing", f.name, name)
			}
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !f.registers() {
					t.Errorf("%s: func init: nothing runs before main", f.at(fn.Pos()))
				}
			}
		}
	}
}

// registers tells whether a file may be a guest's, of which init is all that runs before
// its host asks.
func (f *file) registers() bool {
	for _, path := range f.imports() {
		if path == module+"/sdk/weir" || path == module+"/sdk/weirhttp" {
			return true
		}
	}
	return false
}

// TestHouse_RulesCatch shows that the rules above bite.
func TestHouse_RulesCatch(t *testing.T) {
	t.Parallel()
	f := parseFile(t, "p.go", `package p
import ("sync"; "time")
func F() { go f(); var wg sync.WaitGroup; wg.Go(f); time.AfterFunc(0, f) }
func f() {}
// T is documented.
type T struct{}
func (T) M() {}
func (t) N() {}
type t struct{}
type U int
var V, w = 1, 2
// A group.
const (
	A = 1
	B = 2
)
`, false)
	if got := f.starts(); len(got) != 3 {
		t.Errorf("starts() = %v, want 3 places", got)
	}
	want := []string{"F", "T.M", "U", "V"}
	if got := f.undocumented(); !slices.Equal(got, want) {
		t.Errorf("undocumented() = %v, want %v", got, want)
	}
}

// pkg is one folder of Go files of weir, its tests included.
type pkg struct {
	dir   string // below the module's root, with slashes
	files []*file
}

type file struct {
	name string
	test bool
	fset *token.FileSet
	ast  *ast.File
}

func (f *file) at(p token.Pos) string {
	return fmt.Sprintf("%s:%d", f.name, f.fset.Position(p).Line)
}

func (f *file) imports() (paths []string) {
	for _, spec := range f.ast.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// starts lists the places that start a goroutine.
func (f *file) starts() (at []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			at = append(at, f.at(n.Pos()))
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "AfterFunc" || s.Sel.Name == "Go" && len(n.Args) == 1) {
				at = append(at, f.at(n.Pos()))
			}
		}
		return true
	})
	return at
}

// undocumented lists exported names without a comment of their own or of their group.
func (f *file) undocumented() (names []string) {
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() {
				if recv := receiver(d); recv == "" {
					names = append(names, d.Name.Name)
				} else if ast.IsExported(recv) {
					names = append(names, recv+"."+d.Name.Name)
				}
			}
		case *ast.GenDecl:
			if d.Doc == nil {
				names = append(names, undocumentedSpecs(d)...)
			}
		}
	}
	return names
}

func undocumentedSpecs(d *ast.GenDecl) (names []string) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Name.IsExported() {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if s.Doc == nil && s.Comment == nil && n.IsExported() {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// receiver returns the name of d's receiver type, or "".
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// readHouse parses every Go file of the module but testdata. Reading them here,
// and not in a child process, also lets the go command know that a cached result
// of these tests is stale. A folder with a go.mod is another module's: an example
// that brings its own dependencies.
func readHouse(t *testing.T) []*pkg {
	t.Helper()
	root := filepath.Join("..", "..")
	byDir := map[string]*pkg{}
	var list []*pkg
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); d.IsDir() && path != root && err == nil {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
			list = append(list, byDir[dir])
		}
		byDir[dir].files = append(byDir[dir].files, parseFile(t, filepath.ToSlash(rel), string(src), strings.HasSuffix(name, "_test.go")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("no Go files found: wrong root?")
	}
	return list
}

func parseFile(t *testing.T, name, src string, test bool) *file {
	t.Helper()
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return &file{name: name, test: test, fset: fset, ast: tree}
}

// hasCode tells whether dir holds a package that can be built.
func hasCode(t *testing.T, dir string) bool {
	t.Helper()
	for _, p := range readHouse(t) {
		if p.dir == dir {
			return slices.ContainsFunc(p.files, func(f *file) bool { return !f.test })
		}
	}
	return false
}
