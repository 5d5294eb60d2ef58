package proxywasm

import (
	"errors"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// FuzzForeign calls weir's functions, one after the other, with fields and with what is
// none, for a stream in any phase and for the root. Nothing may panic, and no guest may
// end for a bad argument (security W10).
func FuzzForeign(f *testing.F) {
	names := []string{ext.Hello, ext.Random, ext.Timer, ext.Cancel, ext.Fetch, ext.FetchRead, ext.Body,
		ext.ReplyStart, ext.ReplyWrite, ext.ReplyEnd, ext.Inform, "compress", "uncompress", "weir.service"}
	for k := range names {
		f.Add([]byte{byte(k), 3, 1, 1, 2, 2, 1, 5})
		f.Add([]byte{byte(k), 11, 2, 0x81, 0x80})
		f.Add([]byte{byte(k), 5, 4, 0xc0, 0xc1, 0xc2, 3})
		f.Add([]byte{byte(k), 1, 9, 'j', 'u', 'n', 'k'})
	}
	// A reply, written and ended, while its request's body is asked for.
	f.Add([]byte{7, 3, 2, 0x88, 0xc0, 6, 3, 2, 0, 1, 8, 3, 1, 0xc2, 9, 3, 1, 0xc3})
	r := newRig(f, answering(200, "body", "t", "1"))
	r.plugin.Services = serving{"weir.service": echoService}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := r.wildStream()
		s.r.Body = exchange.NewBytes([]byte("content"))
		for len(in) >= 3 {
			name, where, n := names[int(in[0])%len(names)], in[1], int(in[2])
			in = in[3:]
			var argument []byte
			for range n % 8 {
				if len(in) == 0 {
					break
				}
				argument = wildField(argument, in[0])
				in = in[1:]
			}
			if n >= 8 { // no fields
				argument, in = in[:min(n, len(in))], in[min(n, len(in)):]
			}
			r.held(func() { r.wildForeign(t, s, where, name, argument) })
		}
		s.End(s.r)
		r.held(r.rt.hangUp)
		if r.i.closed {
			t.Fatal("the guest is dead")
		}
	})
}

// wildField appends a field made of a byte: a small number, a large one, or text.
func wildField(b []byte, c byte) []byte {
	switch c >> 6 {
	case 0, 1:
		return ext.AppendUint(b, uint64(c&0x7f))
	case 2:
		return ext.AppendUint(b, []uint64{200, 103, 1 << 31, 1 << 32, 1 << 63, 1<<64 - 1, 65536, 0}[c&7])
	}
	texts := []string{pairsOf("x-a", "1"), callHead, "text", "", "backend", pairsOf("content-length", "3"), "\x00", "\xff\xff\xff\xff"}
	return ext.Append(b, texts[c&7])
}

func (r *rig) wildForeign(t *testing.T, s *stream, where byte, name string, argument []byte) {
	c := &s.guestContext
	stages := [...]stage{idle, inHeaders, inBody, inTrailers, passed}
	s.in.stage, s.out.stage = stages[int(where>>1)%len(stages)], stages[int(where>>4)%len(stages)]
	s.in.last, s.in.ended = where&0x80 != 0, false
	if where&1 == 0 {
		c = &r.rt.guestContext
	}
	const at = rigText + 256
	r.i.vm.WriteString(at, name)
	r.i.vm.Write(at+64, argument)
	_, err := r.i.enter(c, nil, r.i.vm.Lookup("call_proxy_call_foreign_function"),
		at, uint64(len(name)), at+64, uint64(len(argument)), rigSlots, rigSlots+4)
	if trap, ok := errors.AsType[*vm.Trap](err); ok {
		t.Fatalf("%s(%x) ends the guest: %v", name, argument, trap)
	}
}
