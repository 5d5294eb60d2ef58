package wasm

import "strings"

// Toolchain returns what built m, as far as it tells: "Go 1.27.4", "rustc 1.80.0",
// "TinyGo", "AssemblyScript", …; "" is unknown. It is a guess for people to read.
func Toolchain(m *Module) string {
	// TinyGo and Zig name clang as well, and what is linked into C may be Rust.
	for _, tool := range []string{"TinyGo", "Zig", "Go", "clang", "rustc"} {
		for _, p := range m.Producers {
			if p.Field != "sdk" && is(p.Name, tool) {
				version, _, _ := strings.Cut(p.Version, " (")
				return strings.TrimSpace(tool + " " + strings.TrimPrefix(version, "go"))
			}
		}
	}
	switch {
	case m.GoBuild, m.HasFunc("go_scheduler"), m.Needs("gojs"):
		return "Go"
	case m.HasFunc("asyncify_start_unwind") && m.HasFunc("malloc"):
		return "TinyGo"
	case m.HasFunc("__pin"), m.HasFunc("__retain"), m.imports("env", "abort"):
		return "AssemblyScript"
	case m.imports("env", "emscripten_notify_memory_growth"), m.HasFunc("__errno_location"), m.HasFunc("emscripten_stack_get_current"):
		return "Emscripten"
	case m.Export("__indirect_function_table") != nil, m.Export("__heap_base") != nil, m.Export("__data_end") != nil:
		return "LLVM"
	}
	return ""
}

// is tells whether one of name's words is tool: there is a "Debian clang".
func is(name, tool string) bool {
	for word := range strings.FieldsSeq(name) {
		if strings.EqualFold(word, tool) {
			return true
		}
	}
	return false
}

func (m *Module) imports(module, name string) bool {
	for _, i := range m.Imports {
		if i.Module == module && i.Name == name {
			return true
		}
	}
	return false
}
