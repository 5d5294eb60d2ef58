package trial

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// differ says in what got is not what m says.
func (m *Message) differ(prefix string, got *Got) (all []Failure) {
	if m.Status != 0 && m.Status != got.Status {
		all = append(all, Failure{At: m.At, What: prefix + "status", Want: strconv.Itoa(m.Status), Got: strconv.Itoa(got.Status)})
	}
	for _, part := range []struct {
		name string
		want *Text
		got  string
	}{
		{"to", &m.To, got.To}, {"method", &m.Method, got.Method}, {"path", &m.Path, got.Path},
		{"scheme", &m.Scheme, got.Scheme}, {"authority", &m.Authority, got.Authority},
	} {
		all = part.want.check(all, prefix+part.name, part.got)
	}
	all = differFields(all, prefix+"header ", m.Header, got.Header)
	body := m.Body
	if size := body.Size; size != nil && *size != got.Size {
		all = append(all, Failure{At: m.Body.At, What: prefix + "body", Want: count(*size, "byte"), Got: count(got.Size, "byte")})
	}
	body.Size = nil // of which not all may have been kept
	before := len(all)
	if all = body.check(all, prefix+"body", string(got.Body)); len(all) > before && got.Err != nil {
		all[before].Hint = "it broke off: " + got.Err.Error()
	}
	all = differFields(all, prefix+"trailer ", m.Trailer, got.Trailer)
	return differFields(all, prefix+"hint ", m.Hints, got.Hints)
}

// check adds to all what is not as t says.
func (t *Text) check(all []Failure, what, got string) []Failure {
	if want, came := t.differ(got); want != "" || came != "" {
		all = append(all, Failure{At: t.At, What: what, Want: want, Got: came})
	}
	return all
}

func differFields(all []Failure, prefix string, want []Field, got []exchange.Field) []Failure {
	for i := range want {
		f := &want[i]
		var values []string
		for _, g := range got {
			if g.Name == f.Name {
				values = append(values, g.Value)
			}
		}
		if w, g := f.differ(values); w != "" {
			if len(values) == 0 {
				g = "no such field"
				if names := namesOf(got); names != "" {
					g += "; there are " + names
				}
			}
			all = append(all, Failure{At: f.At, What: prefix + f.Name, Want: w, Got: g})
		}
	}
	return all
}

// differ says in what the values of all fields of that name are not what f says.
func (f *Field) differ(values []string) (want, got string) {
	show := func(values []string) string {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = quoted(v)
		}
		return strings.Join(texts, "\n")
	}
	switch {
	case f.Absent && len(values) > 0:
		return "no such field", show(values)
	case f.Absent:
		return "", ""
	case f.All != nil:
		if !slices.Equal(f.All, values) {
			return show(f.All), show(values)
		}
		return "", ""
	}
	for i, v := range values {
		w, g := f.Value.differ(v)
		if w == "" && g == "" {
			return "", ""
		}
		if i == 0 {
			want, got = w, g
		}
	}
	if len(values) == 0 {
		want, _ = f.Value.differ("")
		if want == "" { // an empty value would do, and there is none
			want = "the field"
		}
		if f.Value.Is != nil {
			want = quoted(*f.Value.Is)
		}
	}
	if len(values) > 1 {
		got = show(values)
	}
	return want, got
}

// namesOf lists the names of fields.
func namesOf(fields []exchange.Field) string {
	var names []string
	for _, f := range fields {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}

func sortedNames(m map[string]int64) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
