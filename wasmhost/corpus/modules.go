package corpus

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// moduleFile is a file inside a Go module.
type moduleFile struct{ module, path string }

func (r moduleFile) id() string { return fmt.Sprintf("%+v", r) }

func (r moduleFile) cook(k *kitchen) (string, error) {
	dir, err := k.module(r.module)
	return filepath.Join(dir, filepath.FromSlash(r.path)), err
}

// module returns the directory of a Go module in the module cache, which is read-only.
// weir's own go.mod does not learn of it.
func (k *kitchen) module(module string) (string, error) {
	out, err := k.run(k.dir, hostGo(), "go", "mod", "download", "-json", module)
	if err != nil {
		return "", &lackError{"Go module " + module, err}
	}
	var got struct{ Dir string }
	if err := json.Unmarshal(out, &got); err != nil || got.Dir == "" {
		return "", fmt.Errorf("go mod download %s: %q, %w", module, out, err)
	}
	return got.Dir, nil
}

// hostGo is the environment of go commands that are nothing of weir's module.
func hostGo() []string { return []string{"GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0"} }
