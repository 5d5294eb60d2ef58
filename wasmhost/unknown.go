package wasmhost

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// choose returns the ABI that m speaks. The error lists what was looked for.
func choose(list []abi, m *wasm.Module) (*abi, error) {
	for _, tell := range []func(*wasm.Module) string{forBrowsers, unfinished} {
		if text := tell(m); text != "" {
			return nil, errors.New(text)
		}
	}
	for i := range list {
		if list[i].speaks(m) {
			return &list[i], nil
		}
	}
	if text := foreign(m); text != "" {
		return nil, errors.New(text)
	}
	return nil, fmt.Errorf("it speaks no ABI that weir knows: %s\n"+
		"  looked for a function proxy_abi_version_0_1_0, _0_2_0 or _0_2_1 (Proxy-Wasm),\n"+
		"  for handle_request and handle_response (http-wasm), and for _start (a WASI command, run as CGI)\n"+
		"  %s", found(m), howTo(m))
}

// found lists what m exports, as far as it fits.
func found(m *wasm.Module) string {
	var names []string
	for _, e := range m.Exports {
		if e.Kind == wasm.Func {
			names = append(names, e.Name)
		}
	}
	const most = 12
	switch more := len(names) - most; {
	case len(names) == 0:
		return "it exports no functions"
	case more > 0:
		return fmt.Sprintf("it exports %s and %d more", strings.Join(names[:most], ", "), more)
	}
	return "it exports " + strings.Join(names, ", ")
}

// unfinished tells what a module lacks whose imports show that it was meant to be a
// filter. Such a one may export _start as well, and would fail as a command.
func unfinished(m *wasm.Module) string {
	filter := ""
	switch {
	case importsLike(m, "env", "proxy_") && !exportsLike(m, "proxy_abi_version_"):
		filter = "Proxy-Wasm host functions, but exports no proxy_abi_version_*"
	case m.Needs("http_handler") && !m.HasFunc("handle_request"):
		filter = "http-wasm host functions, but exports no handle_request"
	case m.GoBuild && m.HasFunc("_start") && (m.HasFunc("handle_request") || exportsLike(m, "proxy_abi_version_")):
		// TinyGo's commands can be called after main has returned, Go's cannot.
		return "it exports what a filter does, but is a Go command, which ends when main returns" + asReactor
	}
	switch {
	case filter != "" && m.HasFunc("_start"):
		return "it imports " + filter + ": it was built as a command" + asReactor
	case filter != "":
		return "it imports " + filter + "; are the SDK's exports linked in?\n  " + inLanguages
	}
	return ""
}

const (
	asReactor = "\n" +
		"  Go: build with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared\n" +
		"  TinyGo: tinygo build -target=wasip1 -buildmode=c-shared\n" +
		"  Rust: crate-type = [\"cdylib\"]\n" +
		"  C: clang --target=wasm32-wasi -mexec-model=reactor"
	inLanguages = "(Go: //go:wasmexport name; Rust: proxy_wasm::main!, or #[no_mangle] pub extern \"C\"; C: __attribute__((export_name(\"name\"))))"
)

// forBrowsers tells what a module is that imports what only JavaScript gives, whatever it
// exports.
func forBrowsers(m *wasm.Module) string {
	switch {
	case m.Needs("gojs") || m.Needs("go") && importsLike(m, "go", "runtime."):
		return "it is a Go program for browsers (GOOS=js); build with GOOS=wasip1 GOARCH=wasm, a filter with -buildmode=c-shared as well"
	case m.Needs("wbg") || m.Needs("__wbindgen_placeholder__"):
		return "it is made for JavaScript by wasm-bindgen; build with --target wasm32-wasip1 and without wasm-bindgen"
	}
	return ""
}

// foreign tells what a module is that was made for another host.
func foreign(m *wasm.Module) string {
	if importsLike(m, "env", "emscripten_") || importsLike(m, "a", "") {
		return "it is made for JavaScript by Emscripten; build with emcc -sSTANDALONE_WASM, or with clang --target=wasm32-wasi"
	}
	return ""
}

// howTo says how something that weir runs is built.
func howTo(m *wasm.Module) string {
	if m.HasFunc("_initialize") {
		return "it is a reactor, as filters are: it lacks what its SDK, or its author, exports\n  " + inLanguages
	}
	return "a filter is built with the SDK of its language (Go: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared; Rust: crate-type cdylib, --target wasm32-wasip1),\n" +
		"  a program that answers as CGI as a WASI command (Go: GOOS=wasip1 GOARCH=wasm go build; C: clang --target=wasm32-wasi)"
}

func importsLike(m *wasm.Module, module, prefix string) bool {
	return slices.ContainsFunc(m.Imports, func(i wasm.Import) bool {
		return i.Module == module && strings.HasPrefix(i.Name, prefix)
	})
}

func exportsLike(m *wasm.Module, prefix string) bool {
	return slices.ContainsFunc(m.Exports, func(e wasm.Export) bool {
		return e.Kind == wasm.Func && strings.HasPrefix(e.Name, prefix)
	})
}
