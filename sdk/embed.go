// Package sdk holds the sources of the SDKs, for every language, and what projects begin
// with: `weir filter new` needs neither a network nor a registry. Authors import the
// packages below it, never this one.
package sdk

import "embed"

// Sources are the files, by their paths below this directory. What compilers and package
// managers leave there is not among them.
//
//go:embed abi/proxywasm/*.go abi/ext/*.go internal/host/*.go internal/argon2/*.go weir/*.go weirhttp/*.go sdktest/*.go
//go:embed templates/go/*/*
//go:embed rust/Cargo.toml rust/README.md rust/src/*.rs rust/src/*/*.rs
//go:embed rust/templates/*/Cargo.toml rust/templates/*/*.md rust/templates/*/*.yaml rust/templates/*/gitignore
//go:embed rust/templates/*/src/*.rs rust/templates/*/.cargo/config.toml
//go:embed assemblyscript/*.json assemblyscript/README.md assemblyscript/assembly/*.ts assemblyscript/testing/*.mjs
//go:embed assemblyscript/templates/*/*.json assemblyscript/templates/*/*.yaml assemblyscript/templates/*/*.md assemblyscript/templates/*/gitignore
//go:embed assemblyscript/templates/*/assembly/*.ts assemblyscript/templates/*/assembly/tsconfig.json assemblyscript/templates/*/test/*.mjs
//go:embed c/*.h c/README.md c/weir/*.h
//go:embed c/templates/*/*.c c/templates/*/*.md c/templates/*/*.yaml c/templates/*/Makefile c/templates/*/gitignore
var Sources embed.FS
