package main

import (
	"fmt"
	"go/format"
	"strings"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// golang writes the imports of guests in Go, who have the numbers from the tables
// themselves. What a guest does not call, the linker leaves out.
func golang(t table) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n\n//go:build wasip1\n\npackage host\n\nimport \"unsafe\"\n\n// The host's functions, as sdk/abi/proxywasm has them.\n", mark)
	types := map[abi.Kind]string{
		abi.U32: "%s uint32", abi.S32: "%s int32", abi.U64: "%s uint64", abi.S64: "%s int64",
		abi.Bytes: "%s unsafe.Pointer, %[1]sSize uint32", abi.ToBytes: "%s, %[1]sSize *uint32",
		abi.ToU32: "%s *uint32", abi.ToU64: "%s *uint64",
	}
	for _, f := range t.funcs {
		args := make(abi.Args, len(f.Args))
		for i, a := range f.Args {
			args[i] = abi.Arg{Name: camel(a.Name), Kind: a.Kind}
		}
		fmt.Fprintf(&b, "\n//go:wasmimport %s %s\nfunc %s(%s) uint32\n", abi.Module, f.Name, camel(f.Name), params(args, types))
	}
	return format.Source([]byte(b.String()))
}

// camel turns proxy_http_call into proxyHTTPCall.
func camel(name string) string {
	var b strings.Builder
	for i, word := range strings.Split(name, "_") {
		switch {
		case i == 0:
		case word == "http", word == "grpc", word == "id":
			word = strings.ToUpper(word)
		default:
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}
