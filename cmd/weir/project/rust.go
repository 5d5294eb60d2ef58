package project

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// rust is a compiler that has the standard library for a target of WebAssembly.
type rust struct {
	rustc, cargo, version, target string
	env                           []string
}

// planRust builds with Cargo. The Rust that comes first may have no standard library for
// WebAssembly (rustup's has none unless it is asked for), where Debian's in /usr/bin has.
func planRust(t tools, p *Project, o Options) (*Plan, error) {
	r, err := findRust(t, p.rustTargets())
	if err != nil {
		return nil, err
	}
	r.env = append(r.env, p.profile(o)...)
	out, err := crateOutput(t, p, r)
	if err != nil {
		return nil, err
	}
	args := []string{r.cargo, "build", "--release", "--quiet", "--target", r.target}
	if p.mentions("Cargo.toml", SDKDir) && !p.mentions("Cargo.toml", "proxy-wasm") {
		args = append(args, "--offline") // it needs nothing but what is here
	}
	return &Plan{Tool: r.version, From: out, Commands: []Command{{p.Dir, r.env, args}}}, nil
}

// profile are settings that go before those of Cargo.toml, or that it leaves out: without
// them a module has megabytes, of which most is what debuggers read. With names, functions
// keep to themselves, so that stacks tell them apart; that is compiled faster, too, and
// where it does not get into the way of a release.
func (p *Project) profile(o Options) (env []string) {
	var settings []string
	switch {
	case o.Names:
		settings = []string{"OPT_LEVEL=1", "LTO=off", "CODEGEN_UNITS=16", "INCREMENTAL=true", "PANIC=abort", "STRIP=debuginfo"}
		if dir, err := filepath.Abs(filepath.Join(p.Dir, "target", "weir-dev")); err == nil {
			env = append(env, "CARGO_TARGET_DIR="+dir)
		}
	case !p.mentions("Cargo.toml", "[profile.release]"):
		settings = []string{"OPT_LEVEL=z", "LTO=fat", "CODEGEN_UNITS=1", "PANIC=abort", "STRIP=symbols"}
	}
	for _, s := range settings {
		env = append(env, "CARGO_PROFILE_RELEASE_"+s)
	}
	return env
}

var configTarget = regexp.MustCompile(`(?m)^\s*target\s*=\s*"(wasm32-[a-z0-9-]+)"`)

// rustTargets are the targets to try: what the project asks for; that without a system
// for what needs none, with our SDK; else that of WASI, under its name since Rust 1.78
// and the one before.
func (p *Project) rustTargets() []string {
	text, _ := readSome(filepath.Join(p.Dir, ".cargo", "config.toml"))
	if m := configTarget.FindStringSubmatch(text); m != nil {
		return []string{m[1]}
	}
	const bare = "wasm32-unknown-unknown"
	wasi := []string{"wasm32-wasip1", "wasm32-wasi"}
	if p.mentions("Cargo.toml", "cdylib") {
		if p.mentions("Cargo.toml", SDKDir) {
			return append([]string{bare}, wasi...)
		}
		return append(wasi, bare)
	}
	return wasi // a program
}

// findRust takes the first compiler that has one of the targets.
func findRust(t tools, targets []string) (*rust, error) {
	var seen []string
	for _, target := range targets {
		for _, dir := range []string{"", "/usr/bin/"} {
			rustc, cargo := t.path(dir+"rustc"), t.path(dir+"cargo")
			if rustc == "" || cargo == "" {
				continue
			}
			if !slices.Contains(seen, rustc) {
				seen = append(seen, rustc)
			}
			lib := t.says("", nil, rustc, "--print", "target-libdir", "--target", target)
			if lib == "" || !t.has(lib) {
				continue
			}
			r := &rust{rustc: rustc, cargo: cargo, target: target}
			err := r.equip(t, lib)
			return r, err
		}
	}
	if len(seen) == 0 {
		return nil, &Missing{"Rust is not installed", []string{
			"apt install cargo rustc libstd-rust-dev-wasm32 lld (Debian, Ubuntu)",
			"https://rustup.rs, then: rustup target add " + targets[0],
		}}
	}
	return nil, &Missing{
		fmt.Sprintf("Rust (%s) has no standard library for %s", strings.Join(seen, ", "), strings.Join(targets, " or ")),
		[]string{"rustup target add " + targets[0], "apt install rustc cargo libstd-rust-dev-wasm32 lld (Debian, Ubuntu; weir finds it in /usr/bin)"},
	}
}

var (
	rustVersion = regexp.MustCompile(`(?m)^release: (\S+)`)
	rustHost    = regexp.MustCompile(`(?m)^host: (\S+)`)
	llvmVersion = regexp.MustCompile(`(?m)^LLVM version: (\d+)`)
)

// equip finds the linker, where the compiler does not bring one, as Debian's does not.
// One for another LLVM may not read its libraries: LLVM 19's does not read Rust 1.63's.
func (r *rust) equip(t tools, lib string) error {
	about := t.says("", nil, r.rustc, "-vV")
	first := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(about); m != nil {
			return m[1]
		}
		return ""
	}
	version, llvm := first(rustVersion), first(llvmVersion)
	r.version = strings.TrimSpace("Rust "+version) + " for " + r.target
	r.env = []string{"RUSTC=" + r.rustc}
	if version < "1.70" && strings.HasPrefix(version, "1.6") {
		// It would fetch all of the registry's list, unless asked for today's protocol.
		r.env = append(r.env, "RUSTC_BOOTSTRAP=1", "CARGO_UNSTABLE_SPARSE_REGISTRY=true")
	}
	rustlib := filepath.Dir(filepath.Dir(lib)) // …/rustlib/TARGET/lib
	if t.has(filepath.Join(rustlib, first(rustHost), "bin", "rust-lld")) {
		return nil
	}
	for _, linker := range []string{"/usr/lib/llvm-" + llvm + "/bin/wasm-ld", "wasm-ld-" + llvm, "wasm-ld"} {
		if path := t.path(linker); path != "" {
			name := strings.ToUpper(strings.ReplaceAll(r.target, "-", "_"))
			r.env = append(r.env, "CARGO_TARGET_"+name+"_LINKER="+path)
			return nil
		}
	}
	return &Missing{
		fmt.Sprintf("Rust %s (%s) has no linker for WebAssembly", version, r.rustc),
		[]string{"apt install lld-" + llvm + " (Debian, Ubuntu)"},
	}
}

// crateOutput asks Cargo where it will leave what it builds.
func crateOutput(t tools, p *Project, r *rust) (string, error) {
	text, err := t.tells(p.Dir, r.env, r.cargo, "metadata", "--no-deps", "--offline", "--format-version=1")
	if err != nil {
		return "", err
	}
	var it struct {
		TargetDirectory string `json:"target_directory"`
		Packages        []struct {
			ManifestPath string `json:"manifest_path"`
			Targets      []struct {
				Name  string
				Types []string `json:"crate_types"`
				Kinds []string `json:"kind"`
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &it); err != nil {
		return "", fmt.Errorf("read what %s metadata says: %w", r.cargo, err)
	}
	release := filepath.Join(it.TargetDirectory, r.target, "release")
	abs, _ := filepath.Abs(p.Dir)
	var program string
	for _, pkg := range it.Packages {
		if len(it.Packages) > 1 && filepath.Dir(pkg.ManifestPath) != abs {
			continue
		}
		for _, made := range pkg.Targets {
			switch {
			case slices.Contains(made.Types, "cdylib") && !slices.Contains(made.Kinds, "example"):
				return filepath.Join(release, strings.ReplaceAll(made.Name, "-", "_")+".wasm"), nil
			case slices.Contains(made.Kinds, "bin") && program == "":
				program = filepath.Join(release, made.Name+".wasm")
			}
		}
	}
	if program == "" {
		return "", fmt.Errorf("%s makes no module: a filter needs [lib] with crate-type = [\"cdylib\"], a program src/main.rs", filepath.Join(p.Dir, "Cargo.toml"))
	}
	return program, nil
}
