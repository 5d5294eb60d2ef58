package filters

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// built holds the module, compressed, once make has built it: without it weir compiles
// as well, and says what is missing when a bundled filter is used.
//
//go:embed built
var built embed.FS

// ErrNotBuilt is the error of a weir that was compiled without its filters.
var ErrNotBuilt = errors.New("this weir was compiled without its bundled filters; compile it with make, or run make filters before go build")

// Names returns the names of the bundled filters, in their order.
func Names() []string { return []string{"basic-auth", "cors", "echo", "headers"} }

// most is how large the module may be.
const most = 64 << 20

// Module returns the module that has them all.
func Module() ([]byte, error) {
	packed, err := built.ReadFile("built/filters.wasm.gz")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotBuilt
	}
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack bundled filters: %w", err)
	}
	code, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, fmt.Errorf("unpack bundled filters: %w", err)
	}
	return code, nil
}
