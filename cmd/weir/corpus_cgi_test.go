package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestCorpus_Commands runs CGI programs that tools and languages of others make.
func TestCorpus_Commands(t *testing.T) {
	t.Parallel()
	testGuests(t, startGuests(t, commandCases), commandCases)
}

var commandCases = []guestCase{
	{guest: "c/cgi", module: true, test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "")
		expect(t, "body", got.body, "hello from C\n")
		expect(t, "content-type", got.header.Get("Content-Type"), "text/plain")
		got = a.do(t, "GET", "/env?a=b&c", "", "X-Twice", "1", "X-Twice", "2", "Proxy", "http://evil.test", "Cookie", "a=1; b=2")
		version := map[string]string{"h1": "HTTP/1.1", "h2": "HTTP/2.0", "h3": "HTTP/3.0"}[a.proto]
		for _, want := range []string{
			"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=" + version, "REQUEST_METHOD=GET", "PATH_INFO=/env", "QUERY_STRING=a=b&c",
			"HTTP_X_TWICE=1, 2", "HTTP_PROXY=(unset)", "HTTP_COOKIE=a=1; b=2",
		} {
			if !slices.Contains(strings.Split(got.body, "\n"), want) {
				t.Errorf("the environment has no line %s:\n%s", want, got.body)
			}
		}
		got = a.do(t, "POST", "/echo", "there and back", "Content-Type", "text/x-own")
		expect(t, "echo: body", got.body, "there and back")
		expect(t, "echo: content-type", got.header.Get("Content-Type"), "text/x-own")
		got = a.do(t, "GET", "/status", "")
		expect(t, "status", got.status, 404)
		expect(t, "status: body", got.body, "nothing\n")
		got = a.do(t, "GET", "/away", "")
		expect(t, "redirect: status", got.status, 302)
		expect(t, "redirect: location", got.header.Get("Location"), "https://example.com/there")
		got = a.do(t, "GET", "/cookies", "")
		expect(t, "cookies", strings.Join(got.header["Set-Cookie"], "; "), "a=1; b=2")
		expect(t, "x-cgi-private", got.header.Get("X-Cgi-Private"), "")
		got = a.do(t, "GET", "/many", "")
		expect(t, "many: length", len(got.body), 1<<20)
		expect(t, "many: end", strings.HasSuffix(got.body, fmt.Sprintf("%015d\n", 65535)), true)
		expect(t, "exit: status", a.do(t, "GET", "/exit", "").status, 500)
		expect(t, "trap: status", a.do(t, "GET", "/trap", "").status, 500)
		a.p.awaitOutput(t, "giving up")
	}},
	{guest: "go/cgi", module: true, test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/hello/weir?x=y", "")
		version := map[string]string{"h1": "HTTP/1.1", "h2": "HTTP/2.0", "h3": "HTTP/3.0"}[a.proto]
		expect(t, "body", got.body, "hello weir over "+version+", x=y")
		got = a.do(t, "POST", "/echo", "there and back", "Content-Type", "text/x-own")
		expect(t, "echo: status", got.status, 201)
		expect(t, "echo: body", got.body, "there and back")
		got = a.do(t, "GET", "/old", "")
		expect(t, "redirect: status", got.status, 302)
		expect(t, "redirect: location", got.header.Get("Location"), "/hello/again")
		expect(t, "missing: status", a.do(t, "GET", "/nowhere", "").status, 404)
		expect(t, "panic: status", a.do(t, "GET", "/panic", "").status, 500)
	}},
	{guest: "python", module: true, files: map[string]string{"site/app.py": pythonApp}, plugin: `args: [/site/app.py], grants: {files: ["DIR/site:/site"]}, limits: {memory: 256MiB, cpu: 20s, request_cpu: 20s, start: 20s, wall: 30s}`, test: func(t *testing.T, a *asker) {
		got := a.do(t, "POST", "/any/path?q=1", `{"numbers": [1, 2, 3]}`, "Content-Type", "application/json")
		expect(t, "status", got.status, 202)
		expect(t, "content-type", got.header.Get("Content-Type"), "application/json")
		expect(t, "body", got.body, `{"method": "POST", "path": "/any/path", "query": "q=1", "sum": 6}`+"\n")
	}},
}

// pythonApp is a CGI program.
const pythonApp = `
import json, os, sys
body = json.load(sys.stdin)
print("Status: 202 Accepted")
print("Content-Type: application/json")
print()
print(json.dumps({
    "method": os.environ["REQUEST_METHOD"], "path": os.environ["PATH_INFO"],
    "query": os.environ["QUERY_STRING"], "sum": sum(body["numbers"]),
}))
`
