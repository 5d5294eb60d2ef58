package weir

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// plain is v as encoding/json has it.
func (v *value) plain() any {
	switch v.kind {
	case isBool:
		return v.text == "true"
	case isNumber:
		return json.Number(v.text)
	case isText:
		return v.text
	case isList:
		all := []any{}
		for i := range v.list {
			all = append(all, v.list[i].plain())
		}
		return all
	case isObject:
		all := map[string]any{}
		for i := range v.fields {
			all[v.fields[i].name] = v.fields[i].value.plain()
		}
		return all
	}
	return nil
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `null`, `true`, `-0.5e+7`, `"\ud83d\ude00\ud800x\ud800A\u0000\/"`, `[1,[2,{"a":"b"}],null]`,
		`{"a":1,"a":2}`, `[1,]`, `{"a"}`, `01`, `1.`, `-`, `"`, `"\x"`, "\"\x01\"", ` [ 1 , 2 ] `, `truefalse`, `nul`,
		strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, wrong := parseJSON(s)
		var want any
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		valid := json.Valid([]byte(s)) && d.Decode(&want) == nil
		switch {
		case wrong == "" && !valid:
			t.Fatalf("%q is no JSON, and was read as %v", s, got.plain())
		case wrong != "" && valid && !strings.Contains(wrong, "nested too deep") && !strings.Contains(wrong, "there are two"):
			t.Fatalf("%q is JSON, and was refused: %s", s, wrong)
		case wrong == "" && utf8.ValidString(s) && !reflect.DeepEqual(got.plain(), want):
			t.Fatalf("%q is %#v, and was read as %#v", s, want, got.plain())
		}
	})
}
