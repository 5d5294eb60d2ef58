package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/route"
)

// asked is a request's header and query for matchers.
type asked map[string]string

func (a asked) Satisfies(m *route.Matcher) bool {
	v, ok := a[m.Part.String()+" "+m.Name]
	return ok && m.Accepts(v)
}

// rules makes rules for one host of lines like "GET|POST /path header x=y query q=*";
// the value of each is its line. A tilde is
// a space.
func rules(lines ...string) []route.Rule[string] {
	var all []route.Rule[string]
	for i, line := range lines {
		r := route.Rule[string]{Hosts: []string{"example.com"}, Origin: fmt.Sprintf("weir.yaml:%d:3", i+1), Value: line}
		words := strings.Fields(line)
		if len(words) > 0 && words[0] == "nocase" {
			r.CaseInsensitive, words = true, words[1:]
		}
		if len(words) > 0 && words[0][0] != '/' {
			r.Methods, words = strings.Split(words[0], "|"), words[1:]
		}
		if len(words) > 0 {
			r.Path, words = strings.ReplaceAll(words[0], "~", " "), words[1:]
		}
		for ; len(words) >= 2; words = words[2:] {
			m := route.Matcher{Part: route.Header}
			if words[0] == "query" {
				m.Part = route.Query
			}
			m.Name, m.Value, _ = strings.Cut(words[1], "=")
			r.Matchers = append(r.Matchers, m)
		}
		all = append(all, r)
	}
	return all
}

func compile(t testing.TB, rules []route.Rule[string]) *route.Table[string] {
	t.Helper()
	table, err := route.Compile(rules)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return table
}

func TestMatch_MostSpecificPatternWins(t *testing.T) {
	t.Parallel()
	lines := []string{
		"/*", "/a", "/a/", "/a/*", "/a/{id}", "/a/{id}/edit", "/a/new", "/a/{id}/{rest...}",
		"/files/{rest...}", "/deep/{a}/x/{b}/*", "/deep/{a}/x/{b}/y", "/100%", "/a%2Fb", "/sp~ace/ü",
		"nocase /Case/{x}/END", "/Case/{x}/End", "nocase /case/*",
	}
	reversed := make([]string, 0, len(lines))
	for i := range lines {
		reversed = append(reversed, lines[len(lines)-1-i])
	}
	tests := []struct{ path, want, params, rest string }{
		{"/", "/*", "", ""},
		{"/b", "/*", "", "b"},
		{"/a", "/a", "", ""},
		{"/a/", "/a/", "", ""},
		{"/a/7", "/a/{id}", "id=7", ""},
		{"/a/new", "/a/new", "", ""},
		{"/a/new/", "/a/{id}/{rest...}", "id=new rest=", ""},
		{"/a/7/edit", "/a/{id}/edit", "id=7", ""},
		{"/a/7/edit/", "/a/{id}/{rest...}", "id=7 rest=edit/", "edit/"},
		{"/a/7/x/y", "/a/{id}/{rest...}", "id=7 rest=x/y", "x/y"},
		{"/files", "/*", "", "files"},
		{"/files/", "/files/{rest...}", "rest=", ""},
		{"/files/a/b", "/files/{rest...}", "rest=a/b", "a/b"},
		{"/deep/1/x/2/y", "/deep/{a}/x/{b}/y", "a=1 b=2", ""},
		{"/deep/1/x/2/z/z", "/deep/{a}/x/{b}/*", "a=1 b=2", "z/z"},
		{"/deep/1/x/2", "/*", "", "deep/1/x/2"}, // back out of three levels
		{"/100%", "/100%", "", ""},
		{"/a%2Fb", "/a%2Fb", "", ""},
		{"/sp ace/ü", "/sp~ace/ü", "", ""},
		{"/CASE/q/end", "nocase /Case/{x}/END", "x=q", ""},
		{"/Case/q/End", "/Case/{x}/End", "x=q", ""},
		{"/cAsE/other", "nocase /case/*", "", "other"},
		{"/caſe/other", "/*", "", "caſe/other"}, // long s folds to s in Unicode, not here
		{"/A", "/*", "", "A"},
	}
	for name, order := range map[string][]string{"in order": lines, "reversed": reversed} {
		table := compile(t, rules(order...))
		for _, c := range tests {
			got := table.Match("example.com", c.path, "GET", nil)
			var params []string
			for name, value := range got.Params() {
				params = append(params, name+"="+value)
			}
			if got.Value != c.want || strings.Join(params, " ") != c.params || got.Rest != c.rest || got.Prefix+got.Rest != c.path {
				t.Errorf("%s: %s: got %q %v prefix %q rest %q, want %q [%s] rest %q",
					name, c.path, got.Value, params, got.Prefix, got.Rest, c.want, c.params, c.rest)
			}
		}
	}
}

func TestMatch_Methods(t *testing.T) {
	t.Parallel()
	table := compile(t, rules("GET /a", "POST|PUT /a", "/b", "GET /b", "HEAD /b", "DELETE /c/{x}", "GET /c/*", "POST /d header x=1", "GET /d"))
	for _, c := range []struct{ method, path, want, allow string }{
		{"GET", "/a", "GET /a", ""},
		{"HEAD", "/a", "GET /a", ""},
		{"PUT", "/a", "POST|PUT /a", ""},
		{"DELETE", "/a", "", "GET, HEAD, OPTIONS, POST, PUT"},
		{"OPTIONS", "/a", "", "GET, HEAD, OPTIONS, POST, PUT"},
		{"get", "/a", "", "GET, HEAD, OPTIONS, POST, PUT"}, // methods are case-sensitive
		{"GET", "/b", "GET /b", ""},
		{"HEAD", "/b", "HEAD /b", ""},
		{"OPTIONS", "/b", "/b", ""},
		{"GET", "/c/1", "GET /c/*", ""}, // the narrower pattern does not take GET
		{"DELETE", "/c/1", "DELETE /c/{x}", ""},
		{"PUT", "/c/1", "", "DELETE, GET, HEAD, OPTIONS"},
		{"PUT", "/c/", "", "GET, HEAD, OPTIONS"},
		{"POST", "/d", "", "GET, HEAD, OPTIONS"}, // the matcher does not hold, so POST is not allowed
		{"GET", "/e", "", ""},
	} {
		got := table.Match("example.com", c.path, c.method, nil)
		if got.Value != c.want || got.OK != (c.want != "") || got.Allow != c.allow {
			t.Errorf("%s %s: got %q allow %q, want %q allow %q", c.method, c.path, got.Value, got.Allow, c.want, c.allow)
		}
	}
}

func TestMatch_Matchers(t *testing.T) {
	t.Parallel()
	table := compile(t, rules(
		"/a", "/a header x=1", "/a header x=1 query q=*", "/a header y=*", "GET /a header z=*",
		"/a/{p} query v=2*", "/a/*"))
	for _, c := range []struct {
		path string
		ask  asked
		want string
	}{
		{"/a", nil, "/a"},
		{"/a", asked{"header x": "1"}, "/a header x=1"},
		{"/a", asked{"header x": "2"}, "/a"},
		{"/a", asked{"header x": "1", "query q": ""}, "/a header x=1 query q=*"},
		{"/a", asked{"header x": "1", "header y": ""}, "/a header x=1"},      // file order
		{"/a", asked{"header x": "1", "header z": "0"}, "GET /a header z=*"}, // fewer methods
		{"/a/b", asked{"query v": "21"}, "/a/{p} query v=2*"},
		{"/a/b", asked{"query v": "1"}, "/a/*"},
	} {
		if got := table.Match("example.com", c.path, "GET", c.ask); got.Value != c.want {
			t.Errorf("%s %v: got %q, want %q", c.path, c.ask, got.Value, c.want)
		}
	}
}

func TestMatcher_Accepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "A", false}, {"a", "ab", false},
		{"*", "", true}, {"*", "any", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"*c", "abc", true},
		{"*c", "abcd", false}, {"a*c", "ac", true}, {"a*c", "a", false}, {"ab*bc", "abc", false},
		{"a*b*c", "axbxbxc", true}, {"a*b*c", "axcxb", false}, {"**", "", true}, {"a**b", "ab", true},
		{"*a*a*", "a", false}, {"*a*a*", "aa", true}, {"text/*", "text/html; q=1", true},
	} {
		m := route.Matcher{Value: c.pattern}
		if got := m.Accepts(c.value); got != c.want {
			t.Errorf("%q accepts %q: got %v, want %v", c.pattern, c.value, got, c.want)
		}
	}
}

func TestMatch_Hosts(t *testing.T) {
	t.Parallel()
	for _, withDefault := range []bool{true, false} {
		all := []route.Rule[string]{
			{Hosts: []string{"example.com", "Example.COM", "www.example.com"}, Value: "exact"},
			{Hosts: []string{"*.example.com"}, Value: "wild"},
			{Hosts: []string{"*.a.example.com"}, Value: "wild below"},
			{Hosts: []string{"0::1", "192.0.2.1", "localhost"}, Value: "local"},
			{Hosts: []string{"only.example.org"}, Path: "/only", Value: "only"},
		}
		other := ""
		if withDefault {
			other = "default"
			all = append(all, route.Rule[string]{Hosts: []string{"default"}, Value: other})
		}
		table := compile(t, all)
		for _, c := range []struct{ host, path, want string }{
			{"example.com", "/", "exact"},
			{"www.example.com", "/", "exact"},
			{"x.example.com", "/", "wild"},
			{"a.example.com", "/", "wild"},
			{"x.a.example.com", "/", "wild below"},
			{"x.y.example.com", "/", other},
			{".example.com", "/", other},
			{"*.example.com", "/", "wild"}, // not a name a protocol lets in
			{"xexample.com", "/", other},
			{"com", "/", other},
			{"", "/", other},
			{"default", "/", other},
			{"::1", "/", "local"},
			{"192.0.2.1", "/", "local"},
			{"only.example.org", "/only", "only"},
			{"only.example.org", "/", ""}, // not handed on to the default host
			{"example.com", "*", ""},
			{"example.com", "", ""},
		} {
			if got := table.Match(c.host, c.path, "GET", nil); got.Value != c.want {
				t.Errorf("%q %q: got %q, want %q", c.host, c.path, got.Value, c.want)
			}
		}
		for host, want := range map[string]string{"example.com": "example.com", "q.example.com": "*.example.com"} {
			if got := table.Site(host).Name(); got != want {
				t.Errorf("site of %s: got %q, want %q", host, got, want)
			}
		}
	}
}

func TestCompile_ReportsEveryProblem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		want  []string // parts of the errors, in order
	}{
		{"no problem", []string{"/a/{x}", "/a/b", "GET /{x}/{z}", "POST /a/{y}", "/a/{x} header h=1"}, nil},
		{"same", []string{"/a", "/a"}, []string{`weir.yaml:2:3: "/a" and "/a" match the same requests of example.com (the other one: weir.yaml:1:3)`}},
		{"same, other names", []string{"/a/{x}", "/a/{y}"}, []string{`"/a/{x}" and "/a/{y}"`}},
		{"same, tails", []string{"/a/{x...}", "/a/*"}, []string{"weir.yaml:2:3"}},
		{"same, no letters to fold", []string{"/1", "nocase /1"}, []string{"weir.yaml:2:3"}},
		{"methods cross", []string{"GET|PUT /a", "GET|POST /a"}, []string{`"GET|HEAD|PUT /a" and "GET|HEAD|POST /a"`}},
		{"methods within", []string{"GET|PUT /a", "GET /a", "HEAD /a", "/a"}, nil},
		{"matchers, same in another order", []string{"/a header x=1 query q=*", "/a query q=* header x=1"}, []string{"weir.yaml:2:3"}},
		{"matchers differ", []string{"/a header x=1", "/a header x=2", "/a header y=1"}, nil},
		{"crossing", []string{"/{y}/b", "/a/{x}"}, []string{`weir.yaml:2:3: "/{y}/b" and "/a/{x}" both match "/a/b" of example.com, and neither is more specific (the other one: weir.yaml:1:3)`}},
		{"crossing, methods apart", []string{"GET /{y}/b", "POST /a/{x}"}, nil},
		{"crossing tails", []string{"/{y}/b/*", "/a/*"}, []string{`both match "/a/b/x"`}},
		{"crossing case", []string{"/a/*", "nocase /A/b"}, []string{`both match "/a/b"`}},
		{"crossing case and variable", []string{"nocase /ab/{x}", "/Ab/c", "/{y}/d"}, []string{`both match "/ab/d"`}},
		{"crossing far below", []string{"/p/q/{y}/b/r", "/p/q/a/{x}/r", "/p/q/a/{x}/s"}, []string{`both match "/p/q/a/b/r"`}},
		{"three at once", []string{"/a", "/a", "GET b", "/x/{y}", "/{z}/x", "/a*"}, []string{
			"weir.yaml:2:3", `weir.yaml:3:3: path "b" does not start with a slash`, "weir.yaml:5:3", `weir.yaml:6:3: path "/a*" has a *`}},
		{"bad patterns", []string{"/a//b", "/a/../b", "/./", "/*/a", "/{rest...}/a", "/{}", "/{a~b}", "/x{y}", "/{x}/{x}",
			"/{x}/{x...}", "/a?b", `/a\b`, "/a%20b", "/a%2fb", "/%41"}, []string{
			"empty segment", "dot segment", "dot segment", "before its end", "before its end", "a name is", "a name is",
			"a brace", "twice", "twice", "question mark", "character", "%20", "%2f", "%41"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range 3 { // maps are walked in another order each time
				_, err := route.Compile(rules(c.lines...))
				var got []string
				if err != nil {
					got = strings.Split(err.Error(), "\n")
				}
				if len(got) != len(c.want) {
					t.Fatalf("got %d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
				}
				for i := range got {
					if !strings.Contains(got[i], c.want[i]) {
						t.Errorf("problem %d: got %q, want %q in it", i, got[i], c.want[i])
					}
				}
			}
		})
	}
}

func TestCompile_RefusesHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"a..b": "empty label", ".": "empty label", "a.": "empty label", "*": "write default", "a.*.b": "first label",
		"*a.b": "first label", "a b": "not a host name", "a/b": "not a host name", "a:80": "port", "1::2::3": "no IPv6", "*.a:80": "port", "münchen.de": "xn--",
	} {
		_, err := route.Compile([]route.Rule[int]{{Hosts: []string{host}, Origin: "here"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("host %q: got %v, want %q in it", host, err, want)
		}
	}
	if _, err := route.Compile([]route.Rule[int]{{Origin: "here"}}); err == nil {
		t.Error("rule without host: got no error")
	}
	if _, err := route.Compile([]route.Rule[int]{{Hosts: []string{"a"}, Matchers: []route.Matcher{{Name: "X-Upper"}}}}); err == nil {
		t.Error("matcher in upper case: got no error")
	}
}

func TestCompile_ConflictOfManyHostsIsOneProblem(t *testing.T) {
	t.Parallel()
	hosts := []string{"a.com", "b.com", "c.com"}
	_, err := route.Compile([]route.Rule[int]{
		{Hosts: hosts, Path: "/a", Origin: "1"}, {Hosts: hosts, Path: "/a", Origin: "2"}, {Hosts: hosts[:1], Path: "/b", Origin: "3"},
	})
	if err == nil || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("got %v, want one problem", err)
	}
}

func TestSecurity_P10_OnlyASCIIIsFolded(t *testing.T) {
	t.Parallel()
	table := compile(t, rules("nocase /Kelvin/{x}", "nocase /İ/*", "/*"))
	for path, want := range map[string]string{
		"/KELVIN/a":      "nocase /Kelvin/{x}",
		"/\u212aelvin/a": "/*", // the Kelvin sign lowers to k, from three bytes to one
		"/i̇/a":          "/*",
		"/i/a":           "/*",
		"/İ/a":           "nocase /İ/*",
	} {
		got := table.Match("example.com", path, "GET", nil)
		if got.Value != want {
			t.Errorf("%q: got %q, want %q", path, got.Value, want)
		}
		if got.Prefix+got.Rest != path {
			t.Errorf("%q: prefix %q and rest %q are not the path", path, got.Prefix, got.Rest)
		}
	}
}
