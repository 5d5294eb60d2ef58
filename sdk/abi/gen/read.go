package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
)

// group is constants that belong together.
type group struct {
	name   string // of their type, or what the guests call them
	doc    string
	consts []named
}

// named is one constant.
type named struct {
	name  string // in Go
	text  string // a string's; else ""
	value uint64
	doc   string
}

// groups of constants without a type of their own, by the first of each.
var untyped = map[string]string{"Version": "Protocol", "Hello": "Call", "Any": "Wanted", "ShowMore": "Order", "Answer": "Told", "Room": "Event"}

// read returns the constants of the ABI and of weir's functions, from their source: what
// is called how is written there alone.
func read(root string) ([]group, error) {
	fset := token.NewFileSet()
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}}
	known := packages{}
	var groups []group
	for _, file := range []string{"proxywasm/numbers.go", "ext/names.go"} {
		f, err := parser.ParseFile(fset, filepath.Join(root, "sdk/abi", filepath.FromSlash(file)), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		path := "github.com/weirproxy/weir/sdk/abi/" + filepath.ToSlash(filepath.Dir(file))
		pkg, err := (&types.Config{Importer: known}).Check(path, fset, []*ast.File{f}, info)
		if err != nil {
			return nil, err
		}
		known[path] = pkg
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				if groups, err = add(groups, g, info); err != nil {
					return nil, err
				}
			}
		}
	}
	return groups, nil
}

// packages is what the files import: each other.
type packages map[string]*types.Package

func (p packages) Import(path string) (*types.Package, error) {
	if pkg := p[path]; pkg != nil {
		return pkg, nil
	}
	return nil, fmt.Errorf("import %s: it is none of the tables", path)
}

// add adds the constants of one declaration to the group of their type.
func add(groups []group, decl *ast.GenDecl, info *types.Info) ([]group, error) {
	name := ""
	for _, spec := range decl.Specs {
		v := spec.(*ast.ValueSpec)
		for _, id := range v.Names {
			obj, ok := info.Defs[id].(*types.Const)
			if !ok {
				continue
			}
			if n, typed := obj.Type().(*types.Named); typed {
				name = n.Obj().Name()
			} else if u, first := untyped[id.Name]; first {
				name = u
			}
			if name == "" {
				return nil, fmt.Errorf("group constant %s: it has no type, and untyped does not name it", id.Name)
			}
			k := named{name: id.Name, doc: strings.TrimSpace(v.Comment.Text())}
			if obj.Val().Kind() == constant.String {
				k.text = constant.StringVal(obj.Val())
			} else if k.value, ok = constant.Uint64Val(constant.ToInt(obj.Val())); !ok {
				return nil, fmt.Errorf("read constant %s: it is neither a string nor a number", id.Name)
			}
			groups = put(groups, name, decl.Doc.Text(), k)
		}
	}
	return groups, nil
}

func put(groups []group, name, doc string, k named) []group {
	for i := range groups {
		if groups[i].name == name {
			groups[i].consts = append(groups[i].consts, k)
			return groups
		}
	}
	return append(groups, group{name, strings.TrimSpace(strings.NewReplacer("\n", " ", "[", "", "]", "").Replace(doc)), []named{k}})
}

// upper turns ContinueUnseen into CONTINUE_UNSEEN and VMConfiguration into
// VM_CONFIGURATION.
func upper(name string) string {
	var b strings.Builder
	for i := range len(name) {
		capital := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
		if i > 0 && capital(i) && (!capital(i-1) || i+1 < len(name) && !capital(i+1)) {
			b.WriteByte('_')
		}
		b.WriteByte(name[i])
	}
	return strings.ToUpper(b.String())
}
