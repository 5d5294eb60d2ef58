package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// schemes are those that endpoints may have.
var schemes = []string{"http", "https", "h2", "h2c", "h3", "unix", "srv+http", "srv+https"}

// foreign are schemes that users bring along, and what to write instead.
var foreign = map[string]string{
	"ws": "write http://; WebSocket passes by itself", "wss": "write https://; WebSocket passes by itself",
	"grpc": "write h2c://", "grpcs": "write h2://", "http2": "write h2:// with TLS, h2c:// without", "http3": "write h3://",
	"fastcgi": "weir speaks HTTP to upstreams; put a server that speaks FastCGI in between", "tcp": "weir passes HTTP on, not bare TCP",
}

// parseEndpoint gives the complete form of an address: "10.0.0.1:9000", ":9000",
// "9000", "https://name", "unix:/path", "srv+http://name".
func parseEndpoint(s string) (string, error) {
	scheme, rest, written := strings.Cut(s, "://")
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseSocket(strings.TrimPrefix(path, "//"))
	}
	switch {
	case !written:
		scheme, rest = "http", s
		if _, err := strconv.ParseUint(s, 10, 16); err == nil {
			rest = ":" + s
		}
		if strings.HasPrefix(rest, ":") && strings.Count(rest, ":") == 1 {
			rest = "127.0.0.1" + rest
		}
	case !slices.Contains(schemes, scheme):
		p := &problem{message: strconv.Quote(short(scheme)) + " is no scheme of an upstream", hint: foreign[scheme]}
		if near := nearest(scheme, schemes); p.hint == "" && near != "" {
			p.hint = "did you mean " + near + "?"
		} else if p.hint == "" {
			p.hint = "the schemes are " + strings.Join(schemes, ", ")
		}
		return "", p
	}
	if err := checkUpstreamHost(rest, strings.HasPrefix(scheme, "srv+")); err != nil {
		return "", err
	}
	return scheme + "://" + lower(rest), nil
}

func parseSocket(path string) (string, error) {
	switch {
	case path == "" || checkPrintable(path) != nil:
		return "", &problem{"this is no path of a socket", "write unix:/run/app.sock"}
	case path[0] != '/':
		return "", &problem{"the path of a socket begins with a slash, got " + strconv.Quote(short(path)), "write unix:/" + short(path)}
	}
	return "unix:" + path, nil
}

// checkUpstreamHost takes what follows a scheme: a host, maybe with a port. Names of
// SRV records have none.
func checkUpstreamHost(s string, srv bool) error {
	quoted := strconv.Quote(short(s))
	switch i := strings.IndexAny(s, "/?#@"); {
	case strings.ContainsAny(s, ", "):
		return &problem{quoted + " is more than one address", "write a list: [10.0.0.1:9000, 10.0.0.2:9000]"}
	case i < 0:
	case i == 0 && s[i] == '/' && len(s) > 1:
		return &problem{quoted + " is a path", "for a socket, write unix:" + short(s)}
	case s[i] == '@':
		return &problem{quoted + " holds a user name", "set the Authorization field under headers: request"}
	case s[i:] == "/":
		return &problem{"an upstream has no path, got " + quoted, "remove the slash; to take a prefix off the path, write strip_prefix"}
	default:
		return &problem{"an upstream has no path and no query, got " + quoted, "to put a path in front of all others, write add_prefix"}
	}
	bad := &problem{quoted + " is no address of an upstream", "write 10.0.0.1:9000, https://name, unix:/run/app.sock or srv+http://name"}
	host, port, hasPort := s, "", false
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port, hasPort = s[:i], s[i+1:], true
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0 || strconv.FormatUint(n, 10) != port) {
		bad.hint = "a port is a number from 1 to 65535"
		return bad
	}
	if srv && hasPort {
		bad.hint = "SRV records have the ports; write srv+http://_app._tcp.example.com"
		return bad
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return bad
		}
		return nil
	}
	if strings.Contains(host, ":") {
		bad.hint = "an IPv6 address stands in brackets: [::1]:9000"
		return bad
	}
	if word := lower(host); word == "default" || word == "true" || word == "false" || strings.Contains(host, "*") || checkHost(word) != nil {
		return bad
	}
	// A name that ends in a number is taken for an address by everybody else.
	if _, isAddress := parseHostAddress(host); !isAddress && strings.Trim(host[strings.LastIndexByte(host, '.')+1:], "0123456789") == "" {
		if !strings.Contains(host, ".") {
			bad.hint = "a port is a number from 1 to 65535"
		}
		return bad
	}
	return nil
}

// schemeOf gives the scheme of a complete address.
func schemeOf(url string) string {
	scheme, _, _ := strings.Cut(url, ":")
	return scheme
}

// hasTLS tells whether a scheme is one over TLS.
func hasTLS(scheme string) bool {
	return scheme == "https" || scheme == "h2" || scheme == "h3" || scheme == "srv+https"
}

// HasTLS tells whether e is met over TLS.
func (e *Endpoint) HasTLS() bool { return hasTLS(schemeOf(e.URL)) }
