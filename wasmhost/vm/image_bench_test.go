package vm_test

import (
	"fmt"
	"os"
	"runtime/debug"
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

// BenchmarkResident tells what 200 instances of a guest in standard Go take that have
// served a request, by the kernel's count.
func BenchmarkResident(b *testing.B) {
	resident := func(b *testing.B) float64 {
		debug.FreeOSMemory()
		text, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			b.Skip(err)
		}
		var all, pages float64
		if _, err := fmt.Sscan(string(text), &all, &pages); err != nil {
			b.Fatal(err)
		}
		return pages * float64(os.Getpagesize()) / 1024
	}
	p := loadKeeper(b)
	_, m := frozen(b, p, vm.Config{})
	for name, make := range map[string]func() (*vm.Instance, error){
		"started": func() (*vm.Instance, error) { return p.Instantiate(vm.Config{}) },
		"image":   func() (*vm.Instance, error) { return m.Instantiate(vm.Config{}) },
	} {
		b.Run(name, func(b *testing.B) {
			const n = 200
			for b.Loop() {
				var used, idle float64
				before := resident(b)
				var list []*vm.Instance
				for range n {
					i, err := make()
					if err != nil {
						b.Fatal(err)
					}
					if name == "started" {
						call(b, i, "_initialize")
					}
					call(b, i, "keep", 7)
					list = append(list, i)
				}
				used = resident(b) - before
				for _, i := range list {
					if name == "image" {
						mustReset(b, i)
					}
				}
				idle = resident(b) - before
				for _, i := range list {
					i.Close()
				}
				b.ReportMetric(used/n, "KiB/used")
				b.ReportMetric(idle/n, "KiB/idle")
			}
		})
	}
}
