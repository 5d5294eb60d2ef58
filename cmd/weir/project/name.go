package project

import (
	"fmt"
	"slices"
	"strings"
)

// longestName is what a file's name with its ending, a crate's and a package's may be.
const longestName = 64

// reserved are names that a compiler has its own meaning for.
var reserved = []string{
	"abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do", "dyn", "else",
	"enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "internal", "let", "loop", "macro", "main", "match", "mod",
	"move", "mut", "override", "priv", "proc-macro", "pub", "ref", "return", "self", "static", "std", "struct", "super", "test", "trait",
	"true", "try", "type", "typeof", "union", "unsafe", "unsized", "use", "vendor", "virtual", "weir", "weir-sdk", "where", "while", "yield",
	"node-modules", "target",
}

// CheckName tells what is wrong with the name of a project. It is the name of a
// directory, of a file, of a Go module, of a crate and of an npm package, so it is what
// all of them take: small letters, digits and hyphens.
func CheckName(name string) error {
	fits := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		case c == ' ', c == '_', c == '.', c == '/':
			return '-'
		}
		return -1
	}, name)
	for strings.Contains(fits, "--") {
		fits = strings.ReplaceAll(fits, "--", "-")
	}
	fits = strings.Trim(strings.TrimLeft(fits, "0123456789-"), "-")
	fits = strings.TrimRight(fits[:min(len(fits), longestName)], "-")
	switch {
	case slices.Contains(reserved, fits):
		return fmt.Errorf("a project cannot be called %q: compilers have a meaning of their own for it; try my-%s", name, fits)
	case name == fits && name != "":
		return nil
	case fits == "":
		return fmt.Errorf("a project cannot be called %q: take small letters, digits and hyphens", name)
	}
	return fmt.Errorf("a project cannot be called %q: take small letters, digits and hyphens; try %s", name, fits)
}
