package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

const root = "../../.."

func TestFiles_AreFresh(t *testing.T) {
	t.Parallel()
	all, err := files(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range all {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the tables say: run go generate ./sdk/abi/gen", path)
		}
	}
}

func TestRead_FindsEveryNumberByItsName(t *testing.T) {
	t.Parallel()
	groups, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, g := range groups {
		for _, k := range g.consts {
			got[g.name+"."+k.name] = k.value
		}
	}
	for name, want := range map[string]uint64{
		"Status.OK": 0, "Status.Unimplemented": 12, "Status.Denied": 16, "Level.Critical": 5,
		"Action.StopNoBuffer": 3, "Action.ContinueUnseen": 5, "Buffer.CallData": 8,
		"Map.CallResponseTrailers": 7, "Direction.Upstream": 3, "Metric.Histogram": 2,
		"Wanted.Any": 1<<64 - 1, "Wanted.Absent": 0, "Order.PassRest": 3, "Told.Event": 2, "Event.Gone": 2,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s: got %d, %v, want %d", name, n, ok, want)
		}
	}
}

func TestUpper_PutsOneSignBetweenWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"OK": "OK", "CASMismatch": "CAS_MISMATCH", "VMConfiguration": "VM_CONFIGURATION", "GRPCReceive": "GRPC_RECEIVE", "ContinueUnseen": "CONTINUE_UNSEEN"} {
		if got := upper(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// Hosts bind functions by name to what they do; the table says what there is.
func TestHost_HasTheFunctionsOfTheTable(t *testing.T) {
	t.Parallel()
	var want []string
	for _, f := range abi.HostFuncs() {
		want = append(want, f.Name)
	}
	same(t, "functions of wasmhost/proxywasm/link.go", hostNames(t, "link.go", "bodies"), want)
}

func TestHost_CallsTheCallbacksOfTheTable(t *testing.T) {
	t.Parallel()
	var want []string
	for _, c := range abi.Callbacks() {
		if c.Result != abi.Address { // allocators are looked up by themselves
			want = append(want, c.Name+"/"+strconv.Itoa(len(c.Args)))
		}
	}
	same(t, "callbacks of wasmhost/proxywasm/exports.go", hostNames(t, "exports.go", "callbacks"), want)
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s: %s is not in sdk/abi/proxywasm", what, name)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s: %s is missing, which sdk/abi/proxywasm has", what, name)
		}
	}
}

// hostNames returns the keys of the map in function bodies, or the names and numbers
// of parameters in the list called callbacks.
func hostNames(t *testing.T, file, of string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "wasmhost/proxywasm", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // of constants
	var list []string
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if i < len(n.Values) {
					names[id.Name] = text(n.Values[i])
				}
			}
		case *ast.KeyValueExpr:
			if name := text(n.Key); of == "bodies" && strings.Contains(name, "_") {
				list = append(list, name)
			}
		case *ast.CompositeLit:
			if of == "callbacks" && len(n.Elts) == 3 {
				list = append(list, text(n.Elts[0])+"/"+text(n.Elts[1]))
			}
		}
		return true
	})
	for i, name := range list {
		id, rest, _ := strings.Cut(name, "/")
		if k, ok := names[id]; ok {
			list[i] = k + "/" + rest
		}
	}
	if len(list) < 20 {
		t.Fatalf("found %q in %s: has the list another shape now?", list, file)
	}
	return list
}

// text returns what a literal says, or the name of what is none.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
		return e.Value
	case *ast.Ident:
		return e.Name
	}
	return ""
}
