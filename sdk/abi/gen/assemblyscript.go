package main

import (
	"fmt"
	"strings"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// assemblyScript writes a namespace for each group of numbers, and the host's functions.
func assemblyScript(t table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n", mark)
	for _, g := range t.groups {
		fmt.Fprintf(&b, "\n// %s\nexport namespace %s {\n", g.doc, g.name)
		for _, k := range g.consts {
			if k.doc != "" {
				fmt.Fprintf(&b, "  // %s\n", k.doc)
			}
			switch {
			case k.text != "":
				fmt.Fprintf(&b, "  export const %s: string = %q;\n", k.name, k.text)
			case g.name == "Wanted":
				fmt.Fprintf(&b, "  export const %s: u64 = %d;\n", k.name, k.value)
			default:
				fmt.Fprintf(&b, "  export const %s: u32 = %d;\n", k.name, k.value)
			}
		}
		b.WriteString("}\n")
	}
	b.WriteString("\n// The host's functions. Each returns a status.\n")
	types := map[abi.Kind]string{
		abi.U32: "%s: u32", abi.S32: "%s: i32", abi.U64: "%s: u64", abi.S64: "%s: i64",
		abi.Bytes: "%s: usize, %[1]s_size: usize", abi.ToBytes: "%s: usize, %[1]s_size: usize",
		abi.ToU32: "%s: usize", abi.ToU64: "%s: usize",
	}
	for _, f := range t.funcs {
		fmt.Fprintf(&b, "@external(%q, %q)\nexport declare function %s(%s): u32;\n", abi.Module, f.Name, f.Name, params(f.Args, types))
	}
	return b.String()
}
