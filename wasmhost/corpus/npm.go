package corpus

import (
	"fmt"
	"os"
	"path/filepath"
)

// npmFile is a file inside a package of testdata/npm.
type npmFile struct{ path string }

func (r npmFile) id() string { return fmt.Sprintf("%+v %s", r, digest("npm")) }

func (r npmFile) cook(k *kitchen) (string, error) {
	modules, err := k.npm()
	return filepath.Join(modules, filepath.FromSlash(r.path)), err
}

// npm installs what testdata/npm locks, and returns the directory of the packages.
func (k *kitchen) npm() (string, error) {
	dir, err := k.once("npm-"+digest("npm"), func(dir string) error {
		npm, err := find("npm")
		if err != nil {
			return err
		}
		if err := unpack(dir, "npm"); err != nil {
			return err
		}
		if _, err := k.run(dir, nil, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--silent"); err != nil {
			return &lackError{"something of npm's registry", err}
		}
		return nil
	})
	return filepath.Join(dir, "node_modules"), err
}

// assemblyScript is a filter on @solo-io/proxy-runtime, below testdata.
type assemblyScript struct{ dir string }

func (r assemblyScript) id() string {
	return fmt.Sprintf("%+v %s %s", r, digest(r.dir), digest("npm"))
}

func (r assemblyScript) cook(k *kitchen) (string, error) {
	node, err := find("node", "nodejs")
	if err != nil {
		return "", err
	}
	modules, err := k.npm()
	if err != nil {
		return "", err
	}
	if err := unpack(filepath.Join(k.dir, "assembly"), r.dir); err != nil {
		return "", err
	}
	// The compiler looks for packages where it is run.
	if err := os.Symlink(modules, filepath.Join(k.dir, "node_modules")); err != nil {
		return "", err
	}
	_, err = k.run(k.dir, nil, node, filepath.Join(modules, "assemblyscript", "bin", "asc"),
		"assembly/index.ts", "-b", "guest.wasm", "--use", "abort=abort_proc_exit", "-O3z")
	return filepath.Join(k.dir, "guest.wasm"), err
}
