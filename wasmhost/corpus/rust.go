package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rustFilter is one of our filters on the crate proxy-wasm, built for one target.
type rustFilter struct{ name, target string }

func (r rustFilter) id() string { return fmt.Sprintf("%+v %s", r, digest("rust")) }

// cook builds all filters for the target, unless that is done: only the first one takes
// its time.
func (r rustFilter) cook(k *kitchen) (string, error) {
	cargo, env, err := k.rust(r.target)
	if err != nil {
		return "", err
	}
	src := filepath.Join(k.dir, "src")
	if err := unpack(src, "rust"); err != nil {
		return "", err
	}
	// Cargo locks both directories against others who use them.
	built := filepath.Join(k.keep, "rust-"+digest("rust"))
	env = append(env, "CARGO_HOME="+filepath.Join(k.keep, "cargo"), "CARGO_TARGET_DIR="+built)
	if _, err := k.run(src, env, cargo, "fetch", "--locked"); err != nil {
		return "", &lackError{"the crate registry", err}
	}
	if _, err := k.run(src, env, cargo, "build", "--locked", "--offline", "--quiet", "--release", "--examples", "--target", r.target); err != nil {
		return "", err
	}
	return filepath.Join(built, r.target, "release", "examples", r.name+".wasm"), nil
}

// rust returns a cargo that builds for target, and its environment. A Rust that has the
// target's standard library may not be the one that comes first on the PATH.
func (k *kitchen) rust(target string) (cargo string, env []string, err error) {
	for _, dir := range []string{"/usr/bin", ""} {
		rustc, err := find(filepath.Join(dir, "rustc"))
		if err != nil {
			continue
		}
		cargo, err := find(filepath.Join(dir, "cargo"))
		if err != nil {
			continue
		}
		out, err := k.run(k.dir, nil, rustc, "--print", "target-libdir", "--target", target)
		if err != nil {
			continue
		}
		if _, err := os.Stat(strings.TrimSpace(string(out))); err != nil {
			continue
		}
		env := []string{"RUSTC=" + rustc}
		if dir != "" {
			// Debian's has no linker of its own for WebAssembly, and Cargo 0.66 wants
			// to be asked for the registry's protocol of today.
			linker := "CARGO_TARGET_" + strings.ToUpper(strings.ReplaceAll(target, "-", "_")) + "_LINKER="
			env = append(env, linker+"/usr/lib/llvm-14/bin/wasm-ld", "RUSTC_BOOTSTRAP=1", "CARGO_UNSTABLE_SPARSE_REGISTRY=true")
		}
		return cargo, env, nil
	}
	return "", nil, &lackError{what: "a Rust with the standard library for " + target}
}
