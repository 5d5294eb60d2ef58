package weir_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// configured reads a configuration with f, and returns why it was refused; "" if it was
// not.
func configured(t *testing.T, text string, f func(c *weir.Config)) string {
	t.Helper()
	h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		f(c)
		return through, nil
	}, text))
	if err := h.Refused(); err != nil {
		return strings.TrimPrefix(err.Error(), "configuration refused: ")
	}
	return ""
}

func TestConfig_ReadsEachType(t *testing.T) {
	t.Parallel()
	const text = ` {"s": "text", "i": -7, "f": 1.5e3, "b": true, "d": "1m30s", "n": 65536, "k": "64KiB", "m": "10 MB",
		"l": ["a", "b"], "one": "a", "o": {"x": {"y": 1}}, "os": [{"x": 1}, {"x": 2}], "oneO": {"x": 3}, "null": null, "e": "\u00e9\ud83d\ude00\n"} `
	refused := configured(t, text, func(c *weir.Config) {
		same(t, "String", c.String("s", "other"), "text")
		same(t, "String of escapes", c.String("e", ""), "é😀\n")
		same(t, "Int", c.Int("i", 1), -7)
		same(t, "Float", c.Float("f", 1), 1500)
		same(t, "Float of a whole one", c.Float("i", 1), -7)
		same(t, "Bool", c.Bool("b", false), true)
		same(t, "Duration", c.Duration("d", 0), 90*time.Second)
		same(t, "Size", c.Size("n", 0), 65536)
		same(t, "Size with a unit", c.Size("k", 0), 65536)
		same(t, "Size with a space", c.Size("m", 0), 10_000_000)
		same(t, "Strings", strings.Join(c.Strings("l"), ","), "a,b")
		same(t, "Strings of one", strings.Join(c.Strings("one"), ","), "a")
		same(t, "Object", c.Object("o").Object("x").Int("y", 0), 1)
		same(t, "Absent", c.Object("o").Absent(), false)
		sum := 0
		for _, o := range c.Objects("os") {
			sum += o.Int("x", 0)
		}
		same(t, "Objects", sum, 3)
		same(t, "Objects of one", c.Objects("oneO")[0].Int("x", 0), 3)
		same(t, "null", c.Has("null"), false)
		same(t, "Has", c.Has("s"), true)
	})
	same(t, "refused", refused, "")
}

func TestConfig_HasDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "  ", "null", "{}", `{"s": null}`} {
		refused := configured(t, text, func(c *weir.Config) {
			same(t, "String", c.String("s", "other"), "other")
			same(t, "Int", c.Int("i", 7), 7)
			same(t, "Float", c.Float("f", 1.5), 1.5)
			same(t, "Bool", c.Bool("b", true), true)
			same(t, "Duration", c.Duration("d", time.Second), time.Second)
			same(t, "Size", c.Size("n", 3), 3)
			same(t, "Strings", len(c.Strings("l")), 0)
			same(t, "Object", c.Object("o").String("x", "y"), "y")
			same(t, "Absent", c.Object("o").Absent(), true)
			same(t, "Objects", len(c.Objects("os")), 0)
			same(t, "Has", c.Has("s"), false)
			same(t, "Keys", len(c.Object("o").Keys()), 0)
		})
		same(t, "refused", refused, "")
	}
}

func TestConfig_RefusesWrongTypesAllAtOnce(t *testing.T) {
	t.Parallel()
	refused := configured(t, `{"s": 1, "i": 1.5, "f": "x", "b": "true", "d": "soon", "n": "much", "l": [1], "o": [], "os": ["x"]}`, func(c *weir.Config) {
		same(t, "String", c.String("s", "other"), "other")
		same(t, "Int", c.Int("i", 7), 7)
		c.Float("f", 0)
		c.Bool("b", false)
		c.Duration("d", 0)
		c.Size("n", 0)
		c.Strings("l")
		c.Object("o").Int("x", 0)
		c.Objects("os")
	})
	want := []string{
		"s: is a number, want a text", "i: is 1.5, want a whole number", "f: is a text, want a number",
		"b: is a text, want a boolean", `d: "soon" is no time, want one like "1m30s"`, `n: want a size like "64KiB"`,
		"l[0]: is a number, want a text", "o: is a list, want an object", "os[0]: is a text, want an object",
	}
	same(t, "refused", refused, strings.Join(want, "; "))
}

func TestConfig_RefusesMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{"i": 99999999999999999999}`, "i: is 99999999999999999999, want a whole number"},
		{`{"i": 1e3}`, "i: is 1e3, want a whole number"},
		{`{"f": 1e999}`, "f: is 1e999, which is too large a number"},
		{`{"d": "1h2d"}`, `d: "1h2d" is no time, want one like "1m30s"`},
		{`{"d": "1d-2s"}`, `d: "1d-2s" is no time, want one like "1m30s"`},
		{`{"d": "123456d"}`, `d: "123456d" is no time, want one like "1m30s"`},
		{`{"d": "d"}`, `d: "d" is no time, want one like "1m30s"`},
		{`{"d": "-1s"}`, `d: "-1s" is no time, want one like "1m30s"`},
		{`{"d": 5}`, "d: is a number, want a text"},
		{`{"n": -1}`, `n: want a size like "64KiB"`},
		{`{"n": "-1"}`, `n: want a size like "64KiB"`},
		{`{"n": "9999999999999999999"}`, `n: want a size like "64KiB"`},
		{`{"n": true}`, `n: want a size like "64KiB"`},
		{`{"l": {}}`, "l: is an object, want a list of texts"},
		{`{"os": 1}`, "os: is a number, want a list of objects"},
		{`{"typo": 1}`, "typo: is not known here; known are d, f, i, l, n, o, os"},
		{`{"o": {"x": 1, "typo": 2}}`, "o.typo: is not known here; known are x"},
		{`{"os": [{"x": 1}, {"typo": 2}]}`, "os[1].typo: is not known here; known are x"},
		{`[]`, "it is a list, want an object"},
		{`"text"`, "it is a text, want an object"},
		{`{"i": 1`, "it is no JSON: 1:8: want , or }"},
		{`{"i": 1} x`, "it is no JSON: 1:10: more than one value"},
		{"{\n  \"i\": 01}", "it is no JSON: 2:8: bad number"},
		{`{"i": 1, "i": 2}`, `it is no JSON: 1:13: there are two "i"`},
		{"i: 1\n", "it is no JSON: 1:1: a value of JSON is missing"},
	} {
		t.Run(c.text, func(t *testing.T) {
			refused := configured(t, c.text, func(c *weir.Config) {
				c.Int("i", 0)
				c.Float("f", 0)
				c.Duration("d", 0)
				c.Size("n", 0)
				c.Strings("l")
				c.Object("o").Int("x", 0)
				for _, o := range c.Objects("os") {
					o.Int("x", 0)
				}
			})
			same(t, "refused", refused, c.want)
		})
	}
}

func TestConfig_RefusesWhatNobodyAsksFor(t *testing.T) {
	t.Parallel()
	same(t, "refused", configured(t, `{"a": 1}`, func(*weir.Config) {}), "a: is not known here; known are none")
	same(t, "none", configured(t, ``, func(*weir.Config) {}), "")
}

func TestConfig_FailsAsTheAuthorSays(t *testing.T) {
	t.Parallel()
	refused := configured(t, `{"port": 70000, "o": {"x": "y"}, "typo": 1}`, func(c *weir.Config) {
		if c.Int("port", 80) > 65535 {
			c.Fail("port", "is no port")
		}
		c.Object("o").Fail("x", fmt.Sprintf("is %q", c.Object("o").String("x", "")))
	})
	same(t, "refused", refused, `port: is no port; o.x: is "y"; typo: is not known here; known are o, port`)
}

func TestConfig_ErrorOfTheConstructor(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		c.Int("i", 0)
		return nil, errors.New("out of order")
	}, `{"i": "x"}`))
	if err := h.Refused(); err == nil || !strings.Contains(err.Error(), "out of order") || !strings.Contains(err.Error(), "i: is a text") {
		t.Errorf("refused: %v", err)
	}
}

func TestConfig_RawIsWhatTheHostHas(t *testing.T) {
	t.Parallel()
	refused := configured(t, "one: two\n", func(c *weir.Config) {
		same(t, "Raw", string(c.Raw()), "one: two\n")
	})
	same(t, "refused", refused, "")
}

func TestConfig_KeysAreTheAuthorsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	refused := configured(t, `{"users": {"ada": "1", "bob": "2"}}`, func(c *weir.Config) {
		users := c.Object("users")
		var got strings.Builder
		for _, name := range users.Keys() {
			got.WriteString(name + users.String(name, "") + " ")
		}
		same(t, "users", got.String(), "ada1 bob2 ")
	})
	same(t, "refused", refused, "")
}

func TestRegistered_ChoosesByRootID(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Registered("two", `{"x": "y"}`))
	same(t, "x-two", h.Get("/").Header.Get("x-two"), "y")
	h = sdktest.New(t, sdktest.Registered("", ""))
	same(t, "x-one", h.Get("/").Header.Get("x-one"), "1")
	h = sdktest.New(t, sdktest.Registered("three", ""))
	same(t, "of none of the names", h.Get("/").Header.Get("x-one"), "1")
}

func init() {
	sets := func(name, value string) weir.Filter {
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			resp, err := next(r)
			if err == nil {
				resp.Header.Set(name, value)
			}
			return resp, err
		}
	}
	weir.Register(sets("x-one", "1"))
	weir.RegisterNamed("two", func(c *weir.Config) (weir.Filter, error) { return sets("x-two", c.String("x", "")), nil })
}

func TestConfig_FieldsAndTokens(t *testing.T) {
	t.Parallel()
	var got []weir.Field
	var names []string
	read := func(config string) error {
		return sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
			got, names = c.Fields("add"), c.Tokens("names")
			return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
		}, config)).Refused()
	}
	if err := read(`{"add": {"X-A": ["1", "2"], "b": "c\td"}, "names": "x-a"}`); err != nil || len(got) != 3 || got[1] != (weir.Field{Name: "X-A", Value: "2"}) || len(names) != 1 {
		t.Errorf("got %q, %q, %v", got, names, err)
	}
	for config, want := range map[string]string{
		`{"add": {"a b": "1"}}`:              "add.a b: is no name of a field",
		`{"add": {"": "1"}}`:                 "is no name of a field",
		`{"add": {"a": "1\r\nb: 2"}}`:        "add.a: has a value with control characters",
		`{"add": {"Content-Length": "1"}}`:   "add.Content-Length: is the protocol's own",
		`{"add": {"a": 1}}`:                  "add.a: is a number",
		`{"add": "a"}`:                       "add: is a text, want an object",
		`{"names": ["a", "b c"]}`:            `names: "b c" is no name`,
		`{"names": [""], "add": {"a:": ""}}`: `names: "" is no name`,
	} {
		if err := read(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", config, err, want)
		}
	}
}

func TestConfig_RawWhenItHasBeenRead(t *testing.T) {
	t.Parallel()
	err := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		name := c.String("name", "")
		same(t, "name", name, "ada")
		same(t, "raw", string(c.Raw()), `{"name": "ada", "more": 1}`)
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, `{"name": "ada", "more": 1}`)).Refused()
	if err != nil { // who has it raw reads all by itself
		t.Error(err)
	}
}

func TestConfig_SizesOfAnyUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`5368709120`: 5 << 30, `"5GiB"`: 5 << 30, `"6000000kB"`: 6e9, `"64 KiB"`: 64 << 10, `0`: 0,
		`9223372036854775807`: 1<<63 - 1, `"9223372036854775807B"`: 1<<63 - 1,
		`9223372036854775808`: -1, `"9007199254740993KiB"`: -1, `"8589934592GiB"`: -1, `-1`: -1, `1.5`: -1, `"1.5MiB"`: -1, `"KiB"`: -1, `true`: -1, `"12XB"`: -1,
	} {
		got := -1
		err := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
			got = c.Size("s", -1)
			return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
		}, `{"s": `+text+`}`)).Refused()
		if got != want || (err != nil) != (want < 0) {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
}

// TestConfig_LargeOnesAreReadQuickly: what has ten thousand names takes no ten thousand
// times as long for each.
func TestConfig_LargeOnesAreReadQuickly(t *testing.T) {
	t.Parallel()
	const n = 20_000
	var users, list strings.Builder
	for i := range n {
		fmt.Fprintf(&users, `,"user%05d": "x"`, i)
		fmt.Fprintf(&list, `,{"a": %d}`, i)
	}
	began := time.Now()
	err := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		o := c.Object("users")
		for _, name := range o.Keys() {
			same(t, name, o.String(name, ""), "x")
		}
		for i, e := range c.Objects("list") {
			same(t, "number", e.Int("a", -1), i)
		}
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, `{"users": {`+users.String()[1:]+`}, "list": [`+list.String()[1:]+`]}`)).Refused()
	if err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	t.Log(time.Since(began))
}

func TestConfig_HasDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "1d1h30m": 25*time.Hour + 30*time.Minute, "0d": 0, "0": 0, "1.5s": 1500 * time.Millisecond} {
		h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
			same(t, text, c.Duration("d", time.Minute), want)
			return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
		}, `{"d": "`+text+`"}`))
		same(t, text, h.Refused(), nil)
	}
}
