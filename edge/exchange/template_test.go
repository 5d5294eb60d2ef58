package exchange

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func templateRequest(t testing.TB, target, rest string, params ...Param) *Request {
	t.Helper()
	var r Request
	r.Reset(&Conn{Client: netip.MustParseAddrPort("[::ffff:192.0.2.7]:1")}, nil)
	r.Scheme, r.Method = "https", "GET"
	if err := r.SetAuthority("example.com:8443"); err != nil {
		t.Fatal(err)
	}
	if err := r.SetTarget(target); err != nil {
		t.Fatal(err)
	}
	r.Match.Rest, r.Match.Params = rest, params
	return &r
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	r := templateRequest(t, "/a%20b/%2525/../x?y=1&z=%20", "r/s t?", Param{"id", "7"}, Param{"name", "a&b=c#d"}, Param{"host", "mine"})
	for text, want := range map[string]string{
		"":                              "",
		"plain":                         "plain",
		"{path}":                        "/a%20b/x",
		"{uri}":                         "/a%20b/x?y=1&z=%20",
		"?{query}":                      "?y=1&z=%20",
		"/x/{query}":                    "/x/y=1&z=%2520",
		"https://{host}{path}":          "https://example.com/a%20b/x",
		"/{rest}":                       "/r/s%20t%3F",
		"/{rest...}":                    "/r/s%20t%3F",
		"/{name}":                       "/a&b=c%23d",
		"/?q={name}&p={path}":           "/?q=a%26b%3Dc%23d&p=/a%20b/x",
		"/?next={uri}":                  "/?next=/a%20b/x%3Fy%3D1%26z%3D%2520",
		"{uri}&q={name}":                "/a%20b/x?y=1&z=%20&q=a%26b%3Dc%23d",
		"/#{name}":                      "/#a%26b%3Dc%23d",
		"{scheme}/{method}/{client_ip}": "https/GET/192.0.2.7",
		"{id}":                          "7", // the path binds it
		`{"group":"{host}"} {`:          `{"group":"example.com"} {`,
		"{} {a b} }{":                   "{} {a b} }{",
	} {
		tpl, err := ParseTemplate(text, "id", "name")
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(tpl.Append(nil, r)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	mine, _ := ParseTemplate("{host}", "host")
	if got := string(mine.Append(nil, r)); got != "mine" {
		t.Errorf("parameter called host: got %q, want mine", got)
	}
	r.Record.Number, r.Host = 31, "::1"
	other, _ := ParseTemplate("{id} {host}")
	if got := string(other.Append(nil, r)); got != "000000000000z [::1]" {
		t.Errorf("id and IPv6 host: got %q", got)
	}
}

func TestTemplate_OpaquePathsKeepTheirEscapes(t *testing.T) {
	t.Parallel()
	r := templateRequest(t, "/a%2fb%20c", "")
	tpl, _ := ParseTemplate("{path}?{path}")
	if got, want := string(tpl.Append(nil, r)), "/a%2Fb%20c?/a%252Fb%20c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseTemplate_RefusesUnknownNames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{nme}", "/{id}/{Host}", "{client-ip}", "{x...}"} {
		if _, err := ParseTemplate(text, "name"); err == nil || !strings.Contains(err.Error(), "nothing here is called {") || !strings.Contains(err.Error(), "there are {name}, {host}, {path}") || !strings.HasSuffix(err.Error(), ", {id}") {
			t.Errorf("%q: got %v, want an error that names the placeholder", text, err)
		}
	}
}

func TestTemplate_Literal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": true, "a{": true, "{host}": false, "a{host}": false} {
		tpl, err := ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tpl.Literal(); ok != want || ok && got != text {
			t.Errorf("%q: got %q, %v, want %v", text, got, ok, want)
		}
	}
}

// What a client sends can neither end the field nor leave the part of the URL
// that it stands in.
func FuzzTemplate(f *testing.F) {
	f.Add("/a%20b?x=1", "r\r\nx: y")
	f.Add("/%2f%2fevil", "//evil.com/?#@")
	f.Fuzz(func(t *testing.T, target, name string) {
		var r Request
		r.Reset(new(Conn), nil)
		if err := r.SetTarget(target); err != nil || r.Path == "*" {
			return
		}
		r.Host, r.Match.Params = "example.com", []Param{{"name", name}}
		tpl, err := ParseTemplate("https://{host}/p{path}/{name}?q={name}&u={uri}#{name}", "name")
		if err != nil {
			t.Fatal(err)
		}
		got := string(tpl.Append(nil, &r))
		if !ValidValue(got) {
			t.Fatalf("%q, %q: got %q", target, name, got)
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != "example.com" || u.User != nil {
			t.Fatalf("%q, %q: got %q, parsed %+v, %v", target, name, got, u, err)
		}
		if q := u.Query(); len(q) != 2 || q.Get("q") != name || u.Fragment != name {
			t.Fatalf("%q, %q: got %q, query %q, fragment %q", target, name, got, q, u.Fragment)
		}
		if want := "/p" + r.Path + "/" + name; !r.Opaque && u.Path != want {
			t.Fatalf("%q, %q: got path %q, want %q", target, name, u.Path, want)
		}
	})
}

func BenchmarkTemplate(b *testing.B) {
	r := templateRequest(b, "/a%20b/c?y=1", "")
	tpl, _ := ParseTemplate("https://{host}{uri}")
	buffer := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		tpl.Append(buffer, r)
	}
}
