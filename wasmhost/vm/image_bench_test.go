package vm_test

import (
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
)

// BenchmarkRequest calls a guest once per request: one that all requests share, one that
// is reset, one that is made of an image, and one that is started, for each.
func BenchmarkRequest(b *testing.B) {
	for _, guest := range []struct {
		name, call string
		load       func(b *testing.B) *vm.Program
	}{
		{"C", "count", func(b *testing.B) *vm.Program {
			return load(b, newEngine(b, vm.Options{}), counter().Bytes(), nothing())
		}},
		{"Go", "keep", func(b *testing.B) *vm.Program { return loadKeeper(b) }},
	} {
		begin := func(b *testing.B, p *vm.Program) *vm.Instance {
			i, err := p.Instantiate(vm.Config{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := i.Start(i.Lookup("_initialize")); err != nil {
				b.Fatal(err)
			}
			return i
		}
		b.Run(guest.name+"/shared", func(b *testing.B) {
			i := begin(b, guest.load(b))
			defer i.Close()
			f := i.Lookup(guest.call)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Call(f, nil, 7); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(guest.name+"/reset", func(b *testing.B) {
			i, _ := frozen(b, guest.load(b), vm.Config{})
			f := i.Lookup(guest.call)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Call(f, nil, 7); err != nil || !i.Reset() {
					b.Fatal(err)
				}
			}
		})
		b.Run(guest.name+"/reset alone", func(b *testing.B) {
			i, _ := frozen(b, guest.load(b), vm.Config{})
			b.ReportAllocs()
			for b.Loop() {
				mustReset(b, i)
			}
		})
		b.Run(guest.name+"/image", func(b *testing.B) {
			_, m := frozen(b, guest.load(b), vm.Config{})
			b.ReportAllocs()
			for b.Loop() {
				i, err := m.Instantiate(vm.Config{})
				if err != nil {
					b.Fatal(err)
				}
				call(b, i, guest.call, 7)
				i.Close()
			}
		})
		b.Run(guest.name+"/new", func(b *testing.B) {
			p := guest.load(b)
			b.ReportAllocs()
			for b.Loop() {
				i := begin(b, p)
				call(b, i, guest.call, 7)
				i.Close()
			}
		})
	}
}
