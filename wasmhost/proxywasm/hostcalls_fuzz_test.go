package proxywasm

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// FuzzHostcalls calls host functions of a guest with whatever arguments: numbers that
// are small, near the end of memory, or wild. Nothing may panic but in a way that ends
// that guest alone, and no guest may end for a bad argument (security W10).
func FuzzHostcalls(f *testing.F) {
	table := abi.HostFuncs()
	for k := range table {
		f.Add([]byte{byte(k), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
		f.Add([]byte{byte(k), 1, 0x81, 0x42, 0x81, 0x42, 0x81, 0x42, 0x81, 0x42, 0x81, 0x42, 0x81, 0x42, 0x81})
		f.Add([]byte{byte(k), 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	r := newRig(f, answering(200, "body", "t", "1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := r.wildStream()
		for len(in) >= 2 {
			fn := table[int(in[0])%len(table)]
			where := in[1]
			in = in[2:]
			args := make([]uint64, len(fn.Params))
			for k := range args {
				if len(in) > 0 {
					args[k] = wildNumber(in[0])
					in = in[1:]
				}
			}
			r.held(func() { r.wildCall(t, s, where, fn.Name, args) })
		}
		s.End(s.r)
		if r.i.closed {
			t.Fatal("the guest is dead")
		}
	})
}

// wildNumber makes an argument of a byte: most are small or point somewhere.
func wildNumber(b byte) uint64 {
	// The upper halves of slots hold anything.
	const garbage = 0xdeadbeef << 32
	switch b >> 6 {
	case 0:
		return garbage | uint64(b&63)
	case 1:
		return garbage | uint64(rigText+int(b&63)*8)
	case 2:
		return garbage | uint64(rigPages<<16-int(b&63))
	}
	return garbage | uint64(uint32(-int32(b&63)-1))
}

// wildStream is one whose callbacks may read and write everything.
func (r *rig) wildStream() (s *stream) {
	r.held(func() {
		r.i.streams.Add(1)
		s = newStream(r.i, r.rt, newRequest())
		s.resp = &exchange.Response{Status: 200, Body: exchange.NoBody}
		s.out.header, s.out.trailer = &s.resp.Header, &s.resp.Trailer
		// Something that can be read as pairs, and as an upstream.
		text := binary.LittleEndian.AppendUint32(nil, 0)
		text = append(text, "backend"...)
		text = append(text, pairsOf(":method", "GET", ":path", "/", ":authority", "")...)
		r.i.vm.Write(rigText, text)
	})
	return s
}

func (r *rig) wildCall(t *testing.T, s *stream, where byte, name string, args []uint64) {
	c := &s.guestContext
	stages := [...]stage{idle, inHeaders, inBody, inTrailers, passed}
	s.in.stage, s.out.stage = stages[int(where>>1)%len(stages)], stages[int(where>>4)%len(stages)]
	if where&1 == 0 {
		c = &r.rt.guestContext
	}
	_, err := r.i.enter(c, nil, r.i.vm.Lookup("call_"+name), args...)
	if trap, ok := errors.AsType[*vm.Trap](err); ok {
		t.Fatalf("%s(%#x) ends the guest: %v", name, args, trap)
	}
	r.rt.ticker.period = 0
	if r.rt.ticker.timer != nil {
		r.rt.ticker.timer.Stop()
	}
	r.rt.hangUp()
	r.rt.calling = true
}

// Everything that a guest hands its host is checked, whatever it is.
func TestSecurity_W10_HostcallsTakeAnything(t *testing.T) {
	t.Parallel()
	r := newRig(t, answering(200, "body"))
	s := r.wildStream()
	extremes := []uint64{0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, rigPages<<16 - 1, rigPages << 16, 0xdeadbeef_00000004}
	for _, fn := range abi.HostFuncs() {
		for _, a := range extremes {
			for _, b := range extremes {
				args := make([]uint64, len(fn.Params))
				for k := range args {
					args[k] = a
					if k%2 == 1 {
						args[k] = b
					}
				}
				for where := range byte(4) {
					r.held(func() { r.wildCall(t, s, where<<1|where&1, fn.Name, args) })
				}
			}
		}
	}
	if r.i.closed {
		t.Error("the guest is dead")
	}
}
