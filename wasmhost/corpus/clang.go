package corpus

import (
	"fmt"
	"os"
	"path/filepath"
)

// clang is a C program of ours, below testdata/c.
type clang struct {
	name    string
	reactor bool // it has exports and no main
}

func (r clang) id() string { return fmt.Sprintf("%+v %s", r, digest("c/"+r.name+".c")) }

func (r clang) cook(k *kitchen) (string, error) {
	cc, err := find("clang-14", "clang-19", "clang")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat("/usr/lib/wasm32-wasi/libc.a"); err != nil {
		return "", &lackError{"wasi-libc", err}
	}
	src, err := sources.ReadFile("testdata/c/" + r.name + ".c")
	if err != nil {
		return "", err
	}
	file, out := filepath.Join(k.dir, r.name+".c"), filepath.Join(k.dir, r.name+".wasm")
	if err := os.WriteFile(file, src, 0o644); err != nil {
		return "", err
	}
	args := []string{"--target=wasm32-wasi", "-Os", "-Wall", "-Werror", "-Wl,--strip-all,-zstack-size=32768", "-o", out, file}
	if r.reactor {
		args = append(args, "-nostartfiles", "-Wl,--no-entry")
	}
	_, err = k.run(k.dir, nil, cc, args...)
	return out, err
}
