package main

import (
	"fmt"
	"strings"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// rust writes the module abi of the crate: a module for each group of numbers, and the
// host's functions, which are imports in WebAssembly alone.
func rust(t table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n//! What hosts offer: numbers, names and functions.\n", mark)
	for _, g := range t.groups {
		fmt.Fprintf(&b, "\n/// %s\npub mod %s {\n", g.doc, strings.ToLower(upper(g.name)))
		for _, k := range g.consts {
			if k.doc != "" {
				fmt.Fprintf(&b, "    /// %s\n", k.doc)
			}
			name := upper(k.name)
			switch {
			case k.text != "":
				fmt.Fprintf(&b, "    pub const %s: &str = %q;\n", name, k.text)
			case g.name == "Wanted":
				fmt.Fprintf(&b, "    pub const %s: u64 = %d;\n", name, k.value)
			default:
				fmt.Fprintf(&b, "    pub const %s: u32 = %d;\n", name, k.value)
			}
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "\n#[cfg(target_arch = \"wasm32\")]\n#[link(wasm_import_module = %q)]\nextern \"C\" {\n", abi.Module)
	types := map[abi.Kind]string{
		abi.U32: "%s: u32", abi.S32: "%s: i32", abi.U64: "%s: u64", abi.S64: "%s: i64",
		abi.Bytes: "%s: *const u8, %[1]s_size: usize", abi.ToBytes: "%s: *mut *mut u8, %[1]s_size: *mut usize",
		abi.ToU32: "%s: *mut u32", abi.ToU64: "%s: *mut u64",
	}
	for _, f := range t.funcs {
		fmt.Fprintf(&b, "    pub fn %s(%s) -> u32;\n", f.Name, params(f.Args, types))
	}
	b.WriteString("}\n")
	return b.String()
}
