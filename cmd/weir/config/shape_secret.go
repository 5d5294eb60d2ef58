package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// secret is content that the normal form does not show, unless as the variable or the
// file that it came from.
func secret(check func(string) error) shape[string] {
	s := content(func(s string) error {
		switch s {
		case "":
			return errors.New("want a secret, got an empty text")
		case redacted:
			return nil // a normal form is read again
		}
		return check(s)
	})
	read := s.read
	s.read = func(r *reader, n *yaml.Node, v *string) {
		if read(r, n, v); *v == redacted {
			r.warnRedacted(n)
		}
	}
	s.print = func(p *printer, v *string) *yaml.Node {
		if n := p.symbol(v); n != nil || *v == "" {
			return n
		}
		return textNode(redacted)
	}
	return s
}

func (r *reader) warnRedacted(n *yaml.Node) {
	r.warn(n, "write the secret here, or {file: path}", "this is no secret, but what weir config shows in place of one")
}

// hidden stands for a secret in a URL, where redacted cannot.
const hidden = "redacted"

// maxURL bounds what it costs to look for secrets in a URL.
const maxURL = 4096

// link is a URL that parse takes. The normal form hides the secrets in it.
func link(want string, parse func(string) (string, error)) shape[string] {
	return shape[string]{
		read: func(r *reader, n *yaml.Node, v *string) {
			s, symbolic, ok := r.text(n, want)
			if !ok {
				return
			}
			if len(s) > maxURL {
				r.fail(n, "", "a URL has %d characters at most", maxURL)
				return
			}
			value, err := parse(s)
			if err != nil {
				r.failValue(n, err)
				return
			}
			*v = value
			delete(r.symbols, v)
			if shown := hideSecrets(r.pieces(n)); symbolic || shown != n.Value {
				r.symbols[v] = textNode(shown)
			}
		},
		print: func(p *printer, v *string) *yaml.Node {
			if n := p.symbol(v); n != nil || *v == "" {
				return n
			}
			return textNode(*v)
		},
		schema: func(*definitions) schema { return schema{"type": "string"} },
	}
}

// piece is a part of a text: a variable, or what stands between two.
type piece struct {
	written, value string
	variable       bool
}

// pieces takes the text of a node apart whose variables are all set.
func (r *reader) pieces(n *yaml.Node) (all []piece) {
	for rest := n.Value; rest != ""; {
		p := piece{written: rest, value: rest}
		switch start := strings.Index(rest, "${"); {
		case start > 0:
			p.written, p.value = rest[:start], rest[:start]
			if strings.HasSuffix(p.written, "$") { // "$${" is "${"
				p.written, p.value = rest[:start+2], rest[:start]+"{"
			}
		case start == 0:
			one := *n
			one.Value = rest[:strings.IndexByte(rest, '}')+1]
			p.written, p.variable = one.Value, true
			p.value, _, _ = r.expand(&one)
		}
		all, rest = append(all, p), rest[len(p.written):]
	}
	return all
}

// hideSecrets gives a URL as it was written, without the secrets in it: a password, and
// what query parameters hold that are called so. Secrets that are variables are shown as
// such.
func hideSecrets(all []piece) string {
	value, shown := valueOf(all), all
	for _, s := range slices.Backward(secretSpans(value)) {
		var ok bool
		if shown, ok = hideSpan(shown, s); !ok {
			return bareURL(value)
		}
	}
	var out strings.Builder
	for _, p := range shown {
		out.WriteString(p.written)
	}
	return out.String()
}

// hideSpan hides what is written of a part of the value, unless that is variables alone.
// It cannot where a variable is a part of the secret and of something else.
func hideSpan(all []piece, s span) (shown []piece, ok bool) {
	at, first, last, literal := 0, -1, -1, false
	var before, after string
	for i, p := range all {
		from, to := max(s.from-at, 0), min(s.to-at, len(p.value))
		if from < to {
			if first < 0 {
				first, before = i, p.value[:from]
			}
			last, after = i, p.value[to:]
			literal = literal || !p.variable
		}
		at += len(p.value)
	}
	if !literal {
		return all, true
	}
	if all[first].variable && before != "" || all[last].variable && after != "" {
		return nil, false
	}
	secret := strings.TrimSuffix(strings.TrimPrefix(valueOf(all[first:last+1]), before), after)
	return slices.Concat(all[:first], []piece{plainPiece(before), {written: hidden, value: secret}, plainPiece(after)}, all[last+1:]), true
}

func valueOf(all []piece) string {
	var out strings.Builder
	for _, p := range all {
		out.WriteString(p.value)
	}
	return out.String()
}

func plainPiece(s string) piece {
	return piece{written: strings.ReplaceAll(s, "${", "$${"), value: s}
}

// secretSpans finds the secrets of a URL, in their order.
func secretSpans(s string) (all []span) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "#")
	start := len(scheme) + len("://")
	head, query, _ := strings.Cut(rest, "?")
	authority, _, _ := strings.Cut(head, "/")
	user, password, _ := strings.Cut(authority[:max(strings.LastIndexByte(authority, '@'), 0)], ":")
	if password != "" {
		from := start + len(user) + 1
		all = append(all, span{from, from + len(password)})
	}
	at := start + len(head) + 1
	for pair := range strings.SplitSeq(query, "&") {
		name, secret, _ := strings.Cut(pair, "=")
		if from := at + len(name) + 1; secret != "" && isSecretName(unescape(name)) {
			all = append(all, span{from, from + len(secret)})
		}
		at += len(pair) + 1
	}
	return all
}

// unescape gives what the name of a parameter says.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// bareURL shows of a URL what is no secret, whatever it was made of.
func bareURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return hidden
	}
	out := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if out.Host == "" {
		out.Host = hidden
	}
	if u.User != nil {
		out.User = url.User(hidden)
	}
	return out.String()
}
