package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// isToken tells whether s is a token (RFC 9110 §5.6.2), as names of fields and
// methods are.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func checkToken(s string) error {
	if isToken(s) {
		return nil
	}
	return errors.New(strconv.Quote(short(s)) + " is no token: only letters, digits and !#$%&'*+-.^_`|~ may stand in it")
}

// checkFieldValue refuses what could end a header field early (RFC 9110 §5.5).
func checkFieldValue(s string) error {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return &problem{fmt.Sprintf("a header value must not hold the control character %q", s[i:i+1]), "line breaks would begin another header field"}
		}
	}
	if s != strings.Trim(s, " \t") {
		return errors.New("a header value must not begin or end with a space")
	}
	return nil
}

func checkPrintable(s string) error {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f {
			return fmt.Errorf("the control character %q is not allowed here", s[i:i+1])
		}
	}
	return nil
}

func anyText(string) error { return nil }

// parseHostAddress reads a host that is an address, an IPv6 one with brackets or without.
func parseHostAddress(s string) (netip.Addr, bool) {
	if s == "" || !strings.Contains(s, ":") && (s[len(s)-1] < '0' || s[len(s)-1] > '9') {
		return netip.Addr{}, false // most names end here, without the cost of an error
	}
	a, err := netip.ParseAddr(s)
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		a, err = netip.ParseAddr(inner[:len(inner)-1])
	}
	return a, err == nil && a.Zone() == ""
}

// checkHost takes a host name as sites have it, in lower case.
func checkHost(s string) error {
	quoted := strconv.Quote(short(s))
	if s == "default" {
		return nil
	}
	if _, ok := parseHostAddress(s); ok {
		return nil
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return &problem{quoted + " has a port", "write the name alone; ports belong under listen:"}
	}
	if strings.Contains(s, "/") {
		return &problem{quoted + " is no host name", "write the name alone; paths belong under routes:"}
	}
	name := strings.TrimPrefix(s, "*.")
	if len(name) > 253 {
		return errors.New("a host name has 253 characters at most")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New(quoted + " has an empty part between dots")
		case len(label) > 63:
			return errors.New("a part of a host name has 63 characters at most")
		case strings.Contains(label, "*"):
			return &problem{quoted + ": * may only be the whole first part", "write *.example.com, or default for every name"}
		}
		for i := range len(label) {
			if label[i] >= 0x80 {
				return &problem{quoted + " is not ASCII", "write the form of the name that begins with xn--"}
			}
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
				return errors.New(quoted + " is no host name")
			}
		}
	}
	return nil
}

// parseAddress checks an address to listen on and gives its normal form.
func parseAddress(s string) (string, error) {
	bad := &problem{strconv.Quote(short(s)) + " is no address to listen on", `write ":80", "127.0.0.1:8080", "[::1]:80", unix:/run/weir.sock, systemd:name or fd:3`}
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "unix":
		if rest == "" || checkPrintable(rest) != nil {
			return "", bad
		}
		if rest[0] != '/' {
			bad.hint = "the path of a socket begins with a slash: unix:/run/" + short(rest)
			return "", bad
		}
		return s, nil
	case "systemd":
		if rest == "" || checkPrintable(rest) != nil || strings.Contains(rest, ":") {
			return "", bad
		}
		return s, nil
	case "fd":
		if n, err := strconv.Atoi(rest); err != nil || n < 3 {
			return "", bad
		}
		return s, nil
	}
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		bad.hint = "a port is written with a colon: \":" + s + "\""
		return "", bad
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", bad
	}
	host, port := s[:i], s[i+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", bad
	}
	if v6, ok := strings.CutPrefix(host, "["); ok {
		v6, ok = strings.CutSuffix(v6, "]")
		if a, err := netip.ParseAddr(v6); !ok || err != nil || !a.Is6() {
			return "", bad
		}
	} else if strings.Contains(host, ":") {
		bad.hint = "an IPv6 address stands in brackets: [" + host + "]:" + port
		return "", bad
	} else if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil && checkHost(host) != nil {
			return "", bad
		}
	}
	return s, nil
}

// parseNetwork reads a prefix, an address, "private" or "loopback".
func parseNetwork(s string) (Network, error) {
	switch s {
	case "loopback":
		return Network{s, prefixes("127.0.0.0/8", "::1/128")}, nil
	case "private":
		return Network{s, prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")}, nil
	}
	if all := namedNetworks(s); all != nil {
		return Network{s, all}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return Network{s, []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}}, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Network{}, &problem{strconv.Quote(short(s)) + " is no network", "write 10.0.0.0/8, 192.0.2.7, 2001:db8::/32, private or loopback"}
	}
	if p != p.Masked() {
		return Network{}, &problem{strconv.Quote(s) + " has bits beyond its prefix length", "the network is " + p.Masked().String()}
	}
	return Network{s, []netip.Prefix{p}}, nil
}

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, s := range all {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// checkPath takes the pattern of a path: "/a", "/a/*", "/a/{name}", "/a/{rest...}".
func checkPath(s string) error {
	_, err := pathNames(s)
	return err
}

// pathNames gives the names that a path pattern binds.
func pathNames(s string) ([]string, error) {
	if !strings.HasPrefix(s, "/") {
		return nil, &problem{"a path begins with a slash, got " + strconv.Quote(short(s)), "write " + strconv.Quote("/"+short(s))}
	}
	var names []string
	segments := strings.Split(s[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		name, isName := strings.CutPrefix(segment, "{")
		switch {
		case isName && strings.HasSuffix(name, "}"):
			name, tail := strings.CutSuffix(name[:len(name)-1], "...")
			if !isPathName(name) || slices.Contains(names, name) || tail && !last {
				return nil, &problem{"the name " + segment + " is not possible here", "names are of letters, digits, _ and -, are different, and {name...} comes last"}
			}
			names = append(names, name)
		case segment == "*" && !last:
			return nil, &problem{"* stands only at the end of a path", "write {name} for one segment"}
		case segment != "*" && strings.ContainsAny(segment, "*{}"):
			return nil, &problem{"*, { and } stand for a whole segment of a path, not in " + strconv.Quote(short(segment)), "write /a/* or /a/{name}"}
		case segment == "" && !last, segment == ".", segment == "..":
			return nil, &problem{"a path has no empty, . or .. segments", "requests are brought to the shortest form before they are matched"}
		case strings.ContainsAny(segment, "?#"):
			return nil, &problem{"a path holds no ? or #", "match the query under query:"}
		case strings.Contains(segment, `\`) || checkPrintable(segment) != nil:
			return nil, errors.New("a path holds no backslash and no control character")
		}
	}
	return names, nil
}

func isPathName(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return s != ""
}

// placeholders gives the names in braces of a template.
func placeholders(s string) ([]string, error) {
	var names []string
	for rest := s; ; {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, errors.New(`"}" without "{" before it`)
		}
		if !open {
			return names, nil
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || !isPathName(strings.TrimSuffix(name, "...")) {
			return nil, errors.New(`"{" is not the beginning of a name such as {path}`)
		}
		names, rest = append(names, name), behind
	}
}

// checkGlob takes the name of a file with * and **.
func checkGlob(s string) error {
	if strings.ContainsAny(s, "\\\x00") || strings.Contains(strings.Trim(s, "/"), "//") || strings.Trim(s, "/") == "" {
		return errors.New(strconv.Quote(short(s)) + " is no pattern of file names such as *.zip or /private/**")
	}
	return checkPrintable(s)
}

func checkMediaType(s string) error {
	mediaType, _, _ := strings.Cut(s, ";")
	main, sub, ok := strings.Cut(strings.TrimSpace(mediaType), "/")
	if !ok || !isToken(main) || !isToken(sub) {
		return errors.New(strconv.Quote(short(s)) + " is no media type such as text/html")
	}
	return checkFieldValue(s)
}
