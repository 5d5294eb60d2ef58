package meter

import (
	"bytes"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// longestName is how much of a function's name is kept: the engine makes a trace of them
// for each failure, and a name could be megabytes.
const longestName = 512

// names writes the names of the module and of its functions. Where the section is
// broken it writes what could be read: it is for traces alone.
func (w *writer) names() {
	if w.m.names == nil {
		return
	}
	start := len(w.out)
	w.byte(wasm.SectionCustom)
	r := wasm.NewReader(w.m.names)
	w.sized(func() {
		w.name("name")
		for r.Left() > 0 && r.Err() == nil {
			id, body := r.Section()
			if r.Err() != nil || id > 1 {
				continue
			}
			w.byte(id)
			w.sized(func() {
				if id == 0 {
					w.byte(body...)
				} else if err := w.functionNames(body); err != nil {
					r.Fail(err)
				}
			})
		}
	})
	if r.Err() != nil {
		w.out = w.out[:start]
	}
}

func (w *writer) functionNames(body []byte) error {
	r := wasm.NewReader(body)
	n := r.Count(2)
	w.uint(uint32(n))
	for ; n > 0 && r.Err() == nil; n-- {
		w.uint(w.m.reached(r, r.Uint32()))
		name := r.Take(r.Count(1))
		if len(name) > longestName {
			name = bytes.ToValidUTF8(name[:longestName], nil)
		}
		w.uint(uint32(len(name)))
		w.byte(name...)
	}
	return r.Err()
}
