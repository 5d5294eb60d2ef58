package project

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// asc is where npm puts the compiler.
const asc = "node_modules/assemblyscript/bin/asc"

// planAssemblyScript builds with the compiler that the project's package.json names,
// which npm installs into it first, where that has not been done.
func planAssemblyScript(t tools, p *Project, o Options) (*Plan, error) {
	node := t.path("node")
	if node == "" {
		node = t.path("nodejs")
	}
	npm := t.path("npm")
	has := func(name string) bool { return t.has(filepath.Join(p.Dir, filepath.FromSlash(name))) }
	installed := has(asc) || has(asc+".js")
	if node == "" || npm == "" && !installed {
		return nil, &Missing{"Node.js is not installed, or npm is not", []string{"apt install nodejs npm (Debian, Ubuntu)", "https://nodejs.org/ (20 or later)"}}
	}
	plan := &Plan{Tool: "AssemblyScript"}
	if !installed {
		plan.Commands = append(plan.Commands, Command{p.Dir, nil, []string{npm, "install", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"}})
	} else if version := p.packageVersion(filepath.Join("node_modules", "assemblyscript", "package.json")); version != "" {
		plan.Tool += " " + version
	}
	// The file has an ending or has none, by version; Node.js tries both.
	args := append([]string{node, filepath.FromSlash(asc)}, p.ascFlags()...)
	switch {
	case o.Names && p.isProxyRuntime():
		args = append(args, "--debug")
	case o.Names: // functions keep to themselves, so that stacks tell them apart; and it is faster
		args = append(args, "--debug", "-O0")
	}
	if p.isProxyRuntime() {
		args = append(args, "-b", o.Output)
	} else {
		args = append(args, "-o", o.Output)
	}
	plan.Commands = append(plan.Commands, Command{p.Dir, nil, args})
	return plan, nil
}

// isProxyRuntime tells whether the project is on @solo-io/proxy-runtime, whose compiler
// is of 2020.
func (p *Project) isProxyRuntime() bool {
	return p.mentions("package.json", `"@solo-io/proxy-runtime"`)
}

// ascFlags are what the compiler is told: what asconfig.json says, if it names what to
// compile; else the usual.
func (p *Project) ascFlags() []string {
	const entry = "assembly/index.ts"
	if p.isProxyRuntime() {
		return []string{entry, "--use", "abort=abort_proc_exit", "-O3z"}
	}
	text, _ := readSome(filepath.Join(p.Dir, "asconfig.json"))
	var it struct {
		Extends string
		Entries []string
		Targets map[string]any
		Options map[string]any
	}
	_ = json.Unmarshal([]byte(text), &it) // the compiler says what is wrong with it
	var args []string
	if len(it.Entries) == 0 {
		args = append(args, entry)
	}
	if it.Targets["release"] != nil {
		return append(args, "--target", "release")
	}
	if it.Extends != "" || len(it.Options) > 0 {
		return args
	}
	return append(args, "-Oz", "--noAssert", "--runtime", "incremental", "--use", "abort=")
}

// packageVersion reads the version out of a package.json.
func (p *Project) packageVersion(file string) string {
	text, _ := readSome(filepath.Join(p.Dir, file))
	var it struct{ Version string }
	if json.Unmarshal([]byte(text), &it) != nil || strings.ContainsAny(it.Version, "\n\x1b") {
		return ""
	}
	return it.Version
}
