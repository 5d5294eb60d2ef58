package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The reference: no trees, every rule tried by taking strings apart, the best
// one found by the documented order alone.

func refMatches(pattern, path []string, fold bool) bool {
	if len(pattern) == 0 || len(path) == 0 {
		return len(pattern) == len(path)
	}
	p, s := pattern[0], path[0]
	if p == "*" || strings.HasSuffix(p, "...}") {
		return true
	}
	same := p == s
	if fold {
		same = refLower(p) == refLower(s)
	}
	if strings.HasPrefix(p, "{") {
		same = s != ""
	}
	return same && refMatches(pattern[1:], path[1:], fold)
}

func refLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 32
		}
		return r
	}, s)
}

// refSet is the set of all paths over a small alphabet that a pattern matches:
// specificity by its definition.
func refSet(r *Rule[int], universe []string) map[string]bool {
	set := make(map[string]bool)
	for _, path := range universe {
		if refMatches(strings.Split(r.Path[1:], "/"), strings.Split(path[1:], "/"), r.CaseInsensitive) {
			set[path] = true
		}
	}
	return set
}

func within(a, b map[string]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

func universe() []string {
	paths := []string{""}
	var all []string
	for range 4 {
		var longer []string
		for _, p := range paths {
			for _, s := range []string{"a", "A", "b", "B", "x", ""} {
				if p == "" || p[len(p)-1] != '/' || len(p) == 0 {
					longer = append(longer, p+"/"+s)
				}
			}
		}
		all = append(all, longer...)
		paths = longer
	}
	return all
}

// table of words that fuzz bytes pick from
var (
	fuzzSegments = []string{"a", "A", "b", "", "{p}", "{q}", "*", "{r...}"}
	fuzzMethods  = [][]string{nil, {"GET"}, {"HEAD"}, {"POST"}, {"GET", "POST"}, {"PUT", "GET"}, {"HEAD", "PUT"}, nil}
)

// fuzzRules makes rules of bytes: two per rule, plus one per segment.
func fuzzRules(data []byte) []Rule[int] {
	var rules []Rule[int]
	for len(data) >= 3 && len(rules) < 6 {
		r := Rule[int]{Hosts: []string{""}, Origin: fmt.Sprint(len(rules)), Value: len(rules), CaseInsensitive: data[0]&1 == 1}
		r.Methods = fuzzMethods[data[0]>>1&7]
		for i, name := range []string{"m", "n"} {
			if data[0]>>(4+i)&1 == 1 {
				r.Matchers = append(r.Matchers, Matcher{Name: name, Value: "*"})
			}
		}
		n := int(data[1])&3 + 1
		for i := 0; i < n && i+2 < len(data); i++ {
			r.Path += "/" + fuzzSegments[data[i+2]&7]
		}
		data = data[min(len(data), n+2):]
		if _, err := parsePattern(r.Path, r.CaseInsensitive); err == nil {
			rules = append(rules, r)
		}
	}
	return rules
}

type fuzzAsk byte

func (a fuzzAsk) Satisfies(m *Matcher) bool { return a>>(m.Name[0]-'m')&1 == 1 }

func refTakes(r *Rule[int], method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method) || method == "HEAD" && slices.Contains(r.Methods, "GET")
}

func refSatisfied(r *Rule[int], ask fuzzAsk) bool {
	for i := range r.Matchers {
		if !ask.Satisfies(&r.Matchers[i]) {
			return false
		}
	}
	return true
}

// refBest returns the index of the rule that ought to win, or -1.
func refBest(rules []Rule[int], sets []map[string]bool, path, method string, ask fuzzAsk) int {
	best := -1
	for i := range rules {
		if !sets[i][path] || !refTakes(&rules[i], method) || !refSatisfied(&rules[i], ask) {
			continue
		}
		if best < 0 || refBefore(rules, sets, i, best) {
			best = i
		}
	}
	return best
}

func refBefore(rules []Rule[int], sets []map[string]bool, i, j int) bool {
	if in, out := within(sets[i], sets[j]), within(sets[j], sets[i]); in != out {
		return in
	}
	a, b := &rules[i], &rules[j]
	if len(a.Matchers) != len(b.Matchers) {
		return len(a.Matchers) > len(b.Matchers)
	}
	count := func(r *Rule[int]) (n int) {
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "other"} {
			if refTakes(r, m) {
				n++
			}
		}
		return n
	}
	if count(a) != count(b) {
		return count(a) < count(b)
	}
	return i < j
}

// refConflict tells whether two rules are in conflict, by definition.
func refConflict(a, b *Rule[int], as, bs map[string]bool) bool {
	var both, onlyA, onlyB bool
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "other"} {
		x, y := refTakes(a, m), refTakes(b, m)
		both, onlyA, onlyB = both || x && y, onlyA || x && !y, onlyB || y && !x
	}
	if !both {
		return false
	}
	ab, ba := within(as, bs), within(bs, as)
	if ab && ba {
		return onlyA == onlyB && slices.Equal(a.Matchers, b.Matchers)
	}
	meet := false
	for k := range as {
		meet = meet || bs[k]
	}
	return meet && !ab && !ba
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte{0, 1, 0, 4, 0, 1, 4, 2}, byte(0))
	f.Add([]byte{1, 2, 0, 4, 6, 0, 1, 1, 4, 3, 0, 6}, byte(3))
	f.Add([]byte{0x30, 0, 6, 0x12, 0, 6, 2, 0, 6}, byte(1))
	paths := universe()
	f.Fuzz(func(t *testing.T, data []byte, asking byte) {
		rules, ask := fuzzRules(data), fuzzAsk(asking)
		sets := make([]map[string]bool, len(rules))
		wantConflicts := 0
		for i := range rules {
			sets[i] = refSet(&rules[i], paths)
			for j := range i {
				if refConflict(&rules[j], &rules[i], sets[j], sets[i]) {
					wantConflicts++
				}
			}
		}
		table, err := Compile(rules)
		conflicts := 0
		if err != nil {
			conflicts = strings.Count(err.Error(), "\n") + 1
		}
		if conflicts != wantConflicts {
			t.Fatalf("rules %+v: got %d conflicts, want %d: %v", rules, conflicts, wantConflicts, err)
		}
		if err != nil {
			return
		}
		for _, path := range paths {
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
				checkMatch(t, table, rules, sets, path, method, ask)
			}
		}
	})
}

func checkMatch(t *testing.T, table *Table[int], rules []Rule[int], sets []map[string]bool, path, method string, ask fuzzAsk) {
	want := refBest(rules, sets, path, method, ask)
	got := table.Match("any", path, method, ask)
	if got.OK != (want >= 0) || got.OK && got.Value != want {
		t.Fatalf("%s %s: got %v %d, want %d; rules %+v", method, path, got.OK, got.Value, want, rules)
	}
	if got.OK {
		if got.Prefix+got.Rest != path {
			t.Fatalf("%s: prefix %q and rest %q", path, got.Prefix, got.Rest)
		}
		return
	}
	var allow []string
	for i := range rules {
		if sets[i][path] && refSatisfied(&rules[i], ask) {
			allow = append(allow, rules[i].Methods...)
			if refTakes(&rules[i], "GET") {
				allow = append(allow, "HEAD")
			}
			allow = append(allow, "OPTIONS")
		}
	}
	slices.Sort(allow)
	if want := strings.Join(slices.Compact(allow), ", "); got.Allow != want {
		t.Fatalf("%s %s: got allow %q, want %q; rules %+v", method, path, got.Allow, want, rules)
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"/", "/a/{b}/c/*", "/{x...}", "/%2F", "/%", "*", "/{", "/a//", "/ü/."} {
		f.Add(s, "/a/b", true)
	}
	f.Fuzz(func(t *testing.T, text, path string, fold bool) {
		table, err := Compile([]Rule[int]{{Hosts: []string{""}, Path: text, CaseInsensitive: fold}})
		if err != nil {
			return
		}
		got := table.Match("", path, "GET", nil)
		if !got.OK {
			return
		}
		if !refMatches(strings.Split(cmpPath(text)[1:], "/"), strings.Split(path[1:], "/"), fold) {
			t.Errorf("pattern %q matches %q", text, path)
		}
		for name, value := range got.Params() {
			if name == "" || !strings.Contains(path, value) {
				t.Errorf("pattern %q, path %q: parameter %q=%q", text, path, name, value)
			}
		}
	})
}

func cmpPath(text string) string {
	if text == "" {
		return "/*"
	}
	return text
}
