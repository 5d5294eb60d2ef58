package project

import (
	"fmt"
	"strings"
)

// Language is one that guests are written in, and that there is an SDK for.
type Language uint8

// The languages.
const (
	Go Language = iota + 1
	Rust
	AssemblyScript
	C // and C++
)

// languages has for each its name, and the words that mean it, the usual one first.
var languages = [...]struct {
	name  string
	words []string
}{
	Go:             {"Go", []string{"go", "golang"}},
	Rust:           {"Rust", []string{"rust", "rs"}},
	AssemblyScript: {"AssemblyScript", []string{"assemblyscript", "as", "asc", "ts", "typescript"}},
	C:              {"C", []string{"c", "c++", "cpp", "cxx", "cc"}},
}

// String returns the name of the language.
func (l Language) String() string { return languages[l].name }

// ParseLanguage returns the language that a word means. The error lists them.
func ParseLanguage(word string) (Language, error) {
	for l := Go; l <= C; l++ {
		for _, w := range languages[l].words {
			if strings.EqualFold(w, word) {
				return l, nil
			}
		}
	}
	return 0, fmt.Errorf("there is no SDK for %q; there is one for go, rust, assemblyscript and c", word)
}
