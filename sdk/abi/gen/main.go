// Gen writes what guests in all languages have of the ABI, from sdk/abi/proxywasm and
// sdk/abi/ext: the host's functions and the numbers. It is run in weir's folder, without
// arguments.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

//go:generate go run -C ../../.. ./sdk/abi/gen

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// table is what is written, in any language.
type table struct {
	groups []group
	funcs  []abi.HostFunc // those of the latest version
}

// files returns what is to be below root, by path.
func files(root string) (map[string][]byte, error) {
	groups, err := read(root)
	if err != nil {
		return nil, err
	}
	t := table{groups: groups}
	for _, f := range abi.HostFuncs() {
		if f.Until == 0 && len(f.Name) > 6 && f.Name[:6] == "proxy_" {
			t.funcs = append(t.funcs, f)
		}
	}
	imports, err := golang(t)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"sdk/rust/src/abi.rs":                 []byte(rust(t)),
		"sdk/assemblyscript/assembly/abi.ts":  []byte(assemblyScript(t)),
		"sdk/c/weir_abi.h":                    []byte(c(t)),
		"sdk/internal/host/imports_wasip1.go": imports,
	}, nil
}

func write(root string) error {
	all, err := files(root)
	if err != nil {
		return err
	}
	for path, content := range all {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			return err
		}
	}
	return nil
}
