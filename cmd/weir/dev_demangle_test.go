package main

import (
	"strings"
	"testing"
)

func TestDemangled_TellsTheFunctionsOfRust(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"_ZN4core9panicking9panic_fmt17h9ec1c8305a7da9aeE":                                                                                "core::panicking::panic_fmt",
		"_ZN8stamp_it5hello28_$u7b$$u7b$closure$u7d$$u7d$17h106d97be21bfe094E":                                                            "stamp_it::hello::{{closure}}",
		"_ZN97_$LT$core..future..from_generator..GenFuture$LT$T$GT$$u20$as$u20$core..future..future..Future$GT$4poll17hbd4ba0e4f3bd6282E": "<core::future::from_generator::GenFuture<T> as core::future::future::Future>::poll",
		"main.hello":        "main.hello",
		"_ZN":               "_ZN",
		"_ZN5helloE":        "hello",
		"_ZN5hell":          "_ZN5hell",
		"_ZN99999999999999": "_ZN99999999999999",
		"_ZN0E":             "_ZN0E",
		"_Z5hellov":         "_Z5hellov", // C++'s
	} {
		if got := demangled(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// FuzzDemangled: names are a guest's, and may be anything.
func FuzzDemangled(f *testing.F) {
	for _, s := range []string{"_ZN4core9panicking9panic_fmt17h9ec1c8305a7da9aeE", "_ZN", "_ZN3abcE", "_ZN00000000001aE", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := demangled(name)
		if !strings.HasPrefix(name, "_ZN") && got != name || len(got) > 2*len(name) {
			t.Errorf("%q: got %q", name, got)
		}
	})
}
