package wasmhost

import "github.com/weirproxy/weir/wasmhost/wasm"

// Speaks returns the ABI of a module, as [Plugin.ABI] would, without compiling or running
// it. The error says what was found, what was looked for, and how to build it right.
func Speaks(code []byte) (string, error) {
	m, err := wasm.Parse(code)
	if err != nil {
		return "", err
	}
	a, err := choose(abis, m)
	if err != nil {
		return "", err
	}
	return a.name, nil
}
