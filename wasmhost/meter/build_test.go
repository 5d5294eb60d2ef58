package meter_test

import (
	"encoding/binary"
	"strconv"
)

// guest is a module put together by hand. All its functions are exported, as f0, f1, ….
type guest struct {
	types   []string // encoded
	funcs   []fn
	tables  []string // encoded
	memory  string   // encoded limits
	globals []string // encoded
	elem    []byte   // functions of table 0
	names   []string
}

type fn struct {
	typ    byte
	locals string // encoded groups
	body   string
}

// Types that most tests get by with.
const (
	unit    = "\x60\x00\x00"
	toInt   = "\x60\x00\x01\x7f"
	intInt  = "\x60\x01\x7f\x01\x7f"
	end     = "\x0b"
	noLocal = "\x00"
)

func vector(list ...string) (out string) {
	out = string(binary.AppendUvarint(nil, uint64(len(list))))
	for _, s := range list {
		out += s
	}
	return out
}

func sized(s string) string { return string(binary.AppendUvarint(nil, uint64(len(s)))) + s }

func (g guest) encode() []byte {
	out := "\x00asm\x01\x00\x00\x00"
	section := func(id byte, body string) {
		if body != "\x00" {
			out += string(rune(id)) + sized(body)
		}
	}
	var funcs, exports, bodies, names []string
	for i, f := range g.funcs {
		funcs = append(funcs, string([]byte{f.typ}))
		name := "f" + strconv.Itoa(i)
		exports = append(exports, sized(name)+"\x00"+string(binary.AppendUvarint(nil, uint64(i))))
		bodies = append(bodies, sized(f.locals+f.body+end))
	}
	for i, n := range g.names {
		names = append(names, string(binary.AppendUvarint(nil, uint64(i)))+sized(n))
	}
	section(1, vector(g.types...))
	section(3, vector(funcs...))
	section(4, vector(g.tables...))
	if g.memory != "" {
		section(5, vector(g.memory))
	}
	section(6, vector(g.globals...))
	section(7, vector(exports...))
	if g.elem != nil {
		section(9, vector("\x00\x41\x00\x0b"+sized(string(g.elem))))
	}
	section(10, vector(bodies...))
	if names != nil {
		section(0, sized("name")+"\x01"+sized(vector(names...)))
	}
	return []byte(out)
}
