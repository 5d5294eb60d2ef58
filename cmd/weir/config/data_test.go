package config

import (
	"encoding/json"
	"strings"
	"testing"
)

// dataOf reads text, which is indented, as the configuration of a plugin.
func dataOf(text string) (string, error) {
	src := "plugins:\n  p:\n    wasm: x.wasm\n    config:\n" + text + "\nsites: {a.test: {filters: p, respond: 200}}\n"
	c, err := Parse("weir.yaml", []byte(src), testOptions())
	if err != nil {
		return "", err
	}
	return c.Plugins[0].Config.Text, nil
}

func TestData_BecomesJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"a: 1", `{"a":1}`},
		{"z: 1\n      a: 0x10\n      m: -1_0", `{"z":1,"a":16,"m":-10}`},
		{`"1": "1"`, `{"1":"1"}`},
		{"yes: no\n      t: true\n      n: null\n      e:", `{"yes":"no","t":true,"n":null,"e":null}`},
		{"f: 1.50\n      g: 1e3\n      h: .5", `{"f":1.5,"g":1000,"h":0.5}`},
		{"d: 2026-11-21\n      v: 1.2.3", `{"d":"2026-11-21","v":"1.2.3"}`},
		{"- a\n      - {b: [c, {}]}\n      - []", `["a",{"b":["c",{}]},[]]`},
		{"port: ${PORT}\n      text: \"${PORT}\"\n      name: ${NAME}-x", `{"port":8443,"text":"8443","name":"weir-x"}`},
		{"s: \"<&>\\n\\u0001\\\"\"", `{"s":"\u003c\u0026\u003e\n\u0001\""}`},
		{"file: {a: b}\n      x: 1", `{"file":{"a":"b"},"x":1}`},
		{"file: token", "s3cret-from-file"},
		{"|-\n      {as: it is}\n      two", "{as: it is}\ntwo"},
		{"${TOKEN}", "s3cret-from-env"},
	} {
		if got, err := dataOf("      " + c.yaml); err != nil || got != c.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.yaml, got, err, c.want)
		}
	}
}

// FuzzData holds that what is written as a mapping or list is refused or JSON.
func FuzzData(f *testing.F) {
	for _, s := range []string{"a: 1", "[1, .inf, 0o7, 1e999]", "a: {b: [c, ~]}", "x: ${PORT}", `"\u2028": '\'`, "a: -0", "a: +1", "a: 0b1", "{? a : b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := dataOf("      k:\n        - " + strings.ReplaceAll(s, "\n", "\n          "))
		if err == nil && strings.HasPrefix(text, "{") && !json.Valid([]byte(text)) {
			t.Errorf("%q became %q", s, text)
		}
	})
}
