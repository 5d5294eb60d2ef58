package cgi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// environment returns what a program is told (RFC 3875 §4.1), and then what the
// configuration grants and the request does not say.
//
// Variables that programs commonly read without asking whether they are there are
// always set, to nothing where there is nothing to tell; §4.1 says that this is the same.
func (h *handler) environment(r *exchange.Request, a *ask) [][2]string {
	env := make([][2]string, 0, len(h.env)+26+r.Header.Len())
	set := func(name, value string) { env = append(env, [2]string{name, value}) }
	name, port := serverOf(r)
	set("GATEWAY_INTERFACE", "CGI/1.1")
	set("SERVER_SOFTWARE", "weir")
	set("SERVER_PROTOCOL", r.Proto.String())
	set("SERVER_NAME", name)
	set("SERVER_PORT", port)
	set("REQUEST_METHOD", a.method)
	set("REQUEST_SCHEME", r.Scheme)
	set("REQUEST_URI", a.target)
	set("SCRIPT_NAME", a.script)
	set("PATH_INFO", a.info)
	set("PATH_TRANSLATED", "")
	set("QUERY_STRING", a.query)
	addr := r.Client.Addr().Unmap().WithZone("")
	if addr.IsValid() {
		text := addr.String()
		set("REMOTE_ADDR", text)
		set("REMOTE_HOST", text) // §4.1.9: the address, where no name was looked up
		set("REMOTE_PORT", strconv.Itoa(int(r.Client.Port())))
	} else { // over a unix socket; §4.1.8 wants it to be set
		set("REMOTE_ADDR", "127.0.0.1")
		set("REMOTE_HOST", "127.0.0.1")
		set("REMOTE_PORT", "0")
	}
	set("AUTH_TYPE", "")
	set("REMOTE_USER", "")
	set("REDIRECT_STATUS", "200") // PHP refuses to run without
	if r.Scheme == "https" {
		set("HTTPS", "on")
	}
	if a.length > 0 {
		set("CONTENT_LENGTH", strconv.FormatInt(a.length, 10))
		set("CONTENT_TYPE", r.Header.Get("content-type"))
	} else {
		set("CONTENT_TYPE", "")
	}
	if r.Authority != "" {
		set("HTTP_HOST", r.Authority)
	}
	env = fields(env, r, a)
	for _, e := range h.env {
		if !slices.ContainsFunc(env, func(have [2]string) bool { return have[0] == e[0] }) {
			env = append(env, e)
		}
	}
	return env
}

// fields adds HTTP_ variables (RFC 3875 §4.1.18). Authorization is among them: who
// checks credentials is the program, as an upstream would, and its environment is seen
// by nobody else.
func fields(env [][2]string, r *exchange.Request, a *ask) [][2]string {
	for i := range r.Header.Len() {
		name := r.Header.At(i).Name
		if withheld(name, r.Trusted) || a.redirected && strings.HasPrefix(name, "if-") || before(&r.Header, i, name) {
			continue
		}
		value := ""
		if name == "cookie" { // RFC 9113 §8.2.3
			value = joined(&r.Header, name, "; ")
		} else {
			value = r.Header.Joined(name)
		}
		env = append(env, [2]string{variable(name), value})
	}
	return env
}

// withheld tells whether programs do not see a field: those that belong to the
// connection or have variables of their own; Proxy, which would become HTTP_PROXY, that
// libraries take for the address of a proxy (httpoxy, CVE-2016-5385); names with "_",
// which would become another field's variable; and what only trusted proxies may say.
func withheld(name string, trusted bool) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
		"content-length", "content-type", "host", "expect",
		"proxy", "proxy-authorization", "proxy-authenticate":
		return true
	case "forwarded", "x-real-ip":
		return !trusted
	}
	return strings.HasPrefix(name, "x-forwarded-") && !trusted || strings.Contains(name, "_")
}

// before tells whether field i repeats one before it.
func before(h *exchange.Header, i int, name string) bool {
	for k := range i {
		if h.At(k).Name == name {
			return true
		}
	}
	return false
}

func joined(h *exchange.Header, name, by string) string {
	var b strings.Builder
	for v := range h.Values(name) {
		if b.Len() > 0 {
			b.WriteString(by)
		}
		b.WriteString(v)
	}
	return b.String()
}

// variable returns the variable of a field: HTTP_ACCEPT of accept.
func variable(name string) string {
	b := make([]byte, 5, 5+len(name))
	copy(b, "HTTP_")
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '-':
			c = '_'
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// serverOf returns the host and port that the client asked: programs make URLs of them.
func serverOf(r *exchange.Request) (name, port string) {
	_, host, port, err := exchange.ParseAuthority(r.Authority)
	if err != nil || host == "" { // HTTP/1.0 need not say
		host = "localhost"
		if local := r.Conn.Local; local.IsValid() {
			host, port = local.Addr().Unmap().WithZone("").String(), strconv.Itoa(int(local.Port()))
		}
	}
	if port == "" {
		if port = "80"; r.Scheme == "https" {
			port = "443"
		}
	}
	if strings.Contains(host, ":") { // §4.1.14: an IPv6 address is in brackets
		host = "[" + host + "]"
	}
	return host, port
}
