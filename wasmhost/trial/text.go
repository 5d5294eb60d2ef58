package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// looked tells whether t says anything.
func (t *Text) looked() bool {
	return t.Is != nil || t.Contains != nil || t.Lacks != nil || t.Matches != nil || t.JSON != "" || t.Size != nil
}

// differ says in what got is not what t says: what was wanted, and what came; "" if it is.
func (t *Text) differ(got string) (want, came string) {
	switch {
	case t.Is != nil && *t.Is != got:
		return apart(*t.Is, got)
	case t.Size != nil && *t.Size != int64(len(got)):
		return count(*t.Size, "byte"), count(int64(len(got)), "byte")
	}
	for _, part := range t.Contains {
		if !strings.Contains(got, part) {
			return "in it " + quoted(part), quoted(got)
		}
	}
	for _, part := range t.Lacks {
		if i := strings.Index(got, part); i >= 0 {
			return "not in it " + quoted(part), quotedAt(got, i)
		}
	}
	if t.Matches != nil && !t.Matches.MatchString(got) {
		return "a match for " + t.Matches.String(), quoted(got)
	}
	if t.JSON != "" {
		return differJSON(t.JSON, got)
	}
	return "", ""
}

// differJSON compares two values, and finds the first place where they differ.
func differJSON(want, got string) (string, string) {
	w, err := decode(want)
	if err != nil {
		return "JSON", err.Error()
	}
	g, err := decode(got)
	if err != nil {
		return "JSON", quoted(got) + ", which is none: " + err.Error()
	}
	path, a, b, same := differValue("", w, g)
	if same {
		return "", ""
	}
	if path != "" {
		path = "at " + strings.TrimPrefix(path, ".") + ": "
	}
	return path + encode(a), path + encode(b)
}

// absent stands for a key or an item that is not there.
type absent struct{}

func decode(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = fmt.Errorf("more follows behind the value")
	}
	return v, err
}

func encode(v any) string {
	if _, ok := v.(absent); ok {
		return "nothing"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return fmt.Sprint(v) // what was decoded can be encoded
	}
	return clipped(strings.TrimSuffix(b.String(), "\n"), 0)
}

// differValue finds the first place where two decoded values differ.
func differValue(path string, a, b any) (string, any, any, bool) {
	switch a := a.(type) {
	case map[string]any:
		if other, ok := b.(map[string]any); ok {
			return differObject(path, a, other)
		}
		return path, a, b, false
	case []any:
		if other, ok := b.([]any); ok {
			return differList(path, a, other)
		}
		return path, a, b, false
	case json.Number:
		n, ok := b.(json.Number)
		return path, a, b, ok && sameNumber(a, n)
	}
	return path, a, b, a == b
}

// sameNumber compares numbers by what they are: 1 and 1.0 are one.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	y, err2 := b.Float64()
	return err == nil && err2 == nil && x == y
}
