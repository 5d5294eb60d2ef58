package trial

import (
	"regexp"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

func TestText_SaysWhereTwoDiffer(t *testing.T) {
	t.Parallel()
	size := int64(3)
	long := strings.Repeat("0123456789", 30)
	for _, tt := range []struct {
		name      string
		text      Text
		got       string
		want, say string
	}{
		{"anything", Text{}, "x", "", ""},
		{"the same", Text{Is: new("x")}, "x", "", ""},
		{"another", Text{Is: new("x")}, "y", "x", "y"},
		{"nothing", Text{Is: new("x")}, "", "x", "an empty text"},
		{"spaces", Text{Is: new("x")}, "x ", "x", `"x "`},
		{"what cannot be seen", Text{Is: new("x")}, "x\x00\x1b[31m", "x", `"x\x00\x1b[31m"`},
		{"no text", Text{Is: new("x")}, "\xff", "x", `"\xff"`},
		{"lines", Text{Is: new("a\nb\nc")}, "a\nb\nd", "line 3: c, where it ends", "line 3: d, where it ends"},
		{"a line more", Text{Is: new("a\nb\n")}, "a\nb\nc\n", "line 3: the text ends", "line 3: c"},
		{"a line less", Text{Is: new("a\nb\nc\n")}, "a\nb\n", "line 3: c", "line 3: the text ends"},
		{"an end that is missing", Text{Is: new("a\nb\nc\n")}, "a\nb\nc", "line 3: c", "line 3: c, where it ends"},
		{"far behind", Text{Is: new(long)}, long[:290] + "x123456789", "", ""},
		{"contained", Text{Contains: []string{"a", "b"}}, "ba", "", ""},
		{"not contained", Text{Contains: []string{"a", "b"}}, "a", "in it b", "a"},
		{"contained after all", Text{Lacks: []string{"c", "b"}}, "abc", "not in it c", "abc"},
		{"matched", Text{Matches: regexp.MustCompile("^a+$")}, "aa", "", ""},
		{"not matched", Text{Matches: regexp.MustCompile("^a+$")}, "ab", "a match for ^a+$", "ab"},
		{"size", Text{Size: &size}, "abc", "", ""},
		{"another size", Text{Size: &size}, "a", "3 bytes", "1 byte"},
		{"same value", Text{JSON: `{"a":[1,{"b":null}],"c":"d"}`}, ` {"c":"\u0064", "a": [1.0, {"b": null}]}`, "", ""},
		{"other value", Text{JSON: `{"a":[1,{"b":null}]}`}, `{"a":[1,{"b":0}]}`, "at a[1].b: null", "at a[1].b: 0"},
		{"missing key", Text{JSON: `{"a":1,"b":2}`}, `{"a":1}`, "at b: 2", "at b: nothing"},
		{"key too many", Text{JSON: `{"a":1}`}, `{"a":1,"b":{"c":"<"}}`, "at b: nothing", `at b: {"c":"<"}`},
		{"longer list", Text{JSON: `[1]`}, `[1,2]`, "at [1]: nothing", "at [1]: 2"},
		{"shorter list", Text{JSON: `[1,2]`}, `[1]`, "at [1]: 2", "at [1]: nothing"},
		{"list for a mapping", Text{JSON: `{}`}, `[]`, "{}", "[]"},
		{"text for a number", Text{JSON: `1`}, `"1"`, "1", `"1"`},
		{"large numbers", Text{JSON: `12345678901234567890`}, `12345678901234567890`, "", ""},
		{"no JSON", Text{JSON: `1`}, `<`, "JSON", "<, which is none: invalid character '<' looking for beginning of value"},
		{"more than one value", Text{JSON: `1`}, `1 2`, "JSON", "1 2, which is none: more follows behind the value"},
		{"nothing at all", Text{JSON: `1`}, ``, "JSON", "an empty text, which is none: EOF"},
	} {
		want, say := tt.text.differ(tt.got)
		if tt.name == "far behind" {
			if !strings.Contains(say, "x123456789") || !strings.HasSuffix(want, ", from byte 290 on") || len(say) > 200 {
				t.Errorf("%s: want %q, got %q", tt.name, want, say)
			}
			continue
		}
		if want != tt.want || say != tt.say {
			t.Errorf("%s: want %q, got %q; want %q, %q", tt.name, want, say, tt.want, tt.say)
		}
	}
}

func TestField_LooksAtAllOfAName(t *testing.T) {
	t.Parallel()
	got := &Got{Header: []exchange.Field{{Name: "a", Value: "1"}, {Name: "b", Value: ""}, {Name: "a", Value: "2"}}}
	for _, tt := range []struct {
		name  string
		field Field
		ok    bool
	}{
		{"one of them", Field{Name: "a", Value: Text{Is: new("2")}}, true},
		{"none of them", Field{Name: "a", Value: Text{Is: new("3")}}, false},
		{"all", Field{Name: "a", All: []string{"1", "2"}}, true},
		{"all in another order", Field{Name: "a", All: []string{"2", "1"}}, false},
		{"some", Field{Name: "a", All: []string{"1"}}, false},
		{"an empty one", Field{Name: "b", Value: Text{Is: new("")}}, true},
		{"an empty one that is not there", Field{Name: "c", Value: Text{Is: new("")}}, false},
		{"any that is not there", Field{Name: "c", Value: Text{Matches: regexp.MustCompile("")}}, false},
		{"absent", Field{Name: "c", Absent: true}, true},
		{"not absent", Field{Name: "b", Absent: true}, false},
	} {
		m := Message{Header: []Field{tt.field}}
		if all := m.differ("", got); (len(all) == 0) != tt.ok {
			t.Errorf("%s: %+v", tt.name, all)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb\nc", "a\nb")
	f.Add(`{"a":[1]}`, `{"a":[1,2]}`)
	f.Add("\xff\n\n", "\xe2\x82")
	f.Fuzz(func(t *testing.T, want, got string) {
		w, g := (&Text{Is: &want}).differ(got)
		if same := w == "" && g == ""; same != (want == got) {
			t.Errorf("%q, %q: %q, %q", want, got, w, g)
		} else if !same && w == g {
			t.Errorf("%q and %q look alike: %q", want, got, w)
		}
		for _, s := range []string{w, g} {
			if strings.ContainsAny(s, "\x00\x1b\r\n") || len(s) > 1000 {
				t.Errorf("%q, %q: shown as %q", want, got, s)
			}
		}
		text := Text{JSON: want, Contains: []string{got}, Lacks: []string{got}}
		text.differ(got)
		if want, got := (&Text{JSON: got}).differ(got); (want != "" || got != "") && want != "JSON" {
			t.Errorf("%q differs from itself: %q, %q", got, want, got)
		}
	})
}
