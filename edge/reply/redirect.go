package reply

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Redirect is a handler that sends clients to another address. It is safe for
// concurrent use.
type Redirect struct {
	status    int
	literal   string             // the whole address, where it is always the same
	authority *exchange.Template // "https://{host}"; nil for an address on the same host
	checked   bool               // the authority needs no check per request
	path      *exchange.Template // what follows, query and all
	endsQuery bool               // the address ends with ?{query}
}

var _ exchange.Handler = (*Redirect)(nil)

// NewRedirect returns a handler that answers with status 301, 302, 303, 307 or 308
// and the address that the template to gives; params are the names that the
// route's path binds. The address begins with a slash, or with {path} or {uri}, or
// with a scheme and a host. Nothing a client sends can lead to another host than
// to names: a path parameter may only be a part of the host that text follows, as
// in "https://{tenant}.example.com/", and then only holds what a name may.
func NewRedirect(to string, status int, params ...string) (*Redirect, error) {
	d, err := newRedirect(to, status, params)
	if err != nil {
		return nil, fmt.Errorf("make redirect to %q: %w", to, err)
	}
	return d, nil
}

func newRedirect(to string, status int, params []string) (*Redirect, error) {
	if !slices.Contains([]int{301, 302, 303, 307, 308}, status) {
		return nil, fmt.Errorf("status %d is not 301, 302, 303, 307 or 308", status)
	}
	d := &Redirect{status: status, endsQuery: strings.HasSuffix(to, "?{query}")}
	authority, path, err := cut(to, params)
	if err != nil {
		return nil, err
	}
	if d.path, err = exchange.ParseTemplate(path, params...); err != nil {
		return nil, err
	}
	if err := checkText(path); err != nil {
		return nil, err
	}
	if authority != "" {
		if d.authority, d.checked, err = parseAuthority(authority, params); err != nil {
			return nil, err
		}
	}
	if text, ok := d.path.Literal(); ok {
		if d.authority == nil {
			d.literal = text
		} else if before, ok := d.authority.Literal(); ok {
			d.literal = before + text
		}
	}
	return d, nil
}

// cut cuts an address behind its host: "https://{host}" and "{uri}".
func cut(to string, params []string) (authority, path string, err error) {
	starts := func(s, with string) bool {
		name := strings.Trim(with, "{}")
		return strings.HasPrefix(s, with) && (name == with || !slices.Contains(params, name))
	}
	scheme, rest, absolute := strings.Cut(to, "://")
	if !absolute || strings.ContainsAny(scheme, "/?#") {
		switch {
		case strings.HasPrefix(to, "//"), strings.HasPrefix(to, `/\`):
			return "", "", errors.New("begins with two slashes: write the scheme")
		case strings.HasPrefix(to, "/"), starts(to, "{path}"), starts(to, "{uri}"):
			return "", to, nil
		}
		return "", "", errors.New("begins neither with a slash nor with a scheme such as https://")
	}
	if scheme != "http" && scheme != "https" && !(scheme == "{scheme}" && !slices.Contains(params, "scheme")) {
		return "", "", errors.New("scheme is neither http nor https")
	}
	end := len(rest)
	for i := range len(rest) {
		if strings.IndexByte("/?#", rest[i]) >= 0 || starts(rest[i:], "{path}") || starts(rest[i:], "{uri}") {
			end = i
			break
		}
	}
	return to[:len(to)-len(rest)+end], rest[end:], nil
}

// parseAuthority also tells whether every value of the template is a valid
// authority: it is if it holds no placeholder, or {host} alone, which the protocol
// has checked.
func parseAuthority(s string, params []string) (t *exchange.Template, checked bool, err error) {
	_, host, _ := strings.Cut(s, "://")
	sample, rest, others := "", host, false
	for {
		before, after, open := strings.Cut(rest, "{")
		if sample += before; !open {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		own := name == "host" && !slices.Contains(params, name)
		if !closed || !own && (len(behind) < 2 || behind[0] != '.') {
			return nil, false, errors.New("host: a placeholder is followed by a dot and a domain, else anyone decides where it leads")
		}
		others = others || !own || sample != ""
		sample, rest = sample+"h", behind
	}
	if err := new(exchange.Request).SetAuthority(sample); err != nil {
		return nil, false, err
	}
	if t, err = exchange.ParseTemplate(s, params...); err != nil {
		return nil, false, err
	}
	_, literal := t.Literal()
	bare := host == "{host}" || strings.HasPrefix(host, "{host}:")
	return t, literal || bare && !others, nil
}

// checkText refuses what a URL cannot hold (RFC 3986 §2).
func checkText(s string) error {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`|", c) >= 0 {
			return fmt.Errorf("holds %q: write %%%02X", c, c)
		}
	}
	return nil
}

// Handle implements exchange.Handler.
func (d *Redirect) Handle(r *exchange.Request) (*exchange.Response, error) {
	location := d.literal
	if location == "" {
		var err error
		if location, err = d.expand(r); err != nil {
			return nil, err
		}
	}
	resp := r.NewResponse(d.status)
	if err := resp.Header.Add("location", location); err != nil {
		return nil, err
	}
	return resp, nil
}

func (d *Redirect) expand(r *exchange.Request) (string, error) {
	var buffer [256]byte
	b := buffer[:0]
	if d.authority != nil {
		b = d.authority.Append(b, r)
		if !d.checked || r.Host == "" {
			_, host, _ := strings.Cut(string(b), "://")
			if err := new(exchange.Request).SetAuthority(host); err != nil {
				return "", exchange.ErrNotFound // no such host: no such page
			}
		}
	}
	start := len(b)
	b = d.path.Append(b, r)
	if d.endsQuery && r.Query == "" {
		b = b[:len(b)-1]
	}
	if d.authority == nil {
		// "/{rest}" must not become "//evil.example", which is another host.
		for start+1 < len(b) && b[start] == '/' && b[start+1] == '/' {
			start++
		}
		b = b[start:]
	}
	return string(b), nil
}
