package cache

import (
	"path"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

const (
	maxKey      = 4 << 10 // bytes; requests with longer URLs pass by the cache
	maxVariants = 16      // of one URL
	maxVary     = 16      // names in Vary
	maxVaryText = 4 << 10 // bytes of the fields that Vary names
	separator   = '\x00'  // occurs neither in paths nor in authorities
)

// appendKey appends what names the resource that r asks for: scheme, authority,
// canonical path, query. The scheme is part of it since applications redirect from
// one to the other. What else an answer depends on it has to say by Vary.
func (f *Filter) appendKey(b []byte, r *exchange.Request) []byte {
	b = append(append(append(b, r.Scheme...), "://"...), r.Authority...)
	if r.Opaque { // "%2F" is an encoded slash there, and text elsewhere
		b = append(b, separator)
	}
	b = append(b, r.Path...)
	switch {
	case r.Query == "" || f.ignoreAll:
	case len(f.ignore) == 0:
		b = append(append(b, separator), r.Query...)
	default:
		b = f.appendQuery(b, r.Query)
	}
	return b
}

func (f *Filter) appendQuery(b []byte, query string) []byte {
	next := byte(separator)
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(pair, "=")
		// Some upstreams take ";" for "&": what stands behind it is not ignored.
		if !matchAny(f.ignore, name) || strings.Contains(pair, ";") {
			b = append(append(b, next), pair...)
			next = '&'
		}
	}
	return b
}

// matchAny tells whether name fits one of the patterns, which New has checked.
func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// place is what a key says, for purging.
type place struct{ host, path string }

func placeOf(key string) place {
	_, rest, _ := strings.Cut(key, "://")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return place{}
	}
	authority, path := strings.TrimSuffix(rest[:slash], string(separator)), rest[slash:]
	path, _, _ = strings.Cut(path, string(separator))
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		authority = authority[:i]
	}
	return place{strings.TrimSuffix(strings.Trim(authority, "[]"), "."), path}
}

// varyNames returns the names in Vary, sorted, in lower case. ok is false if no other
// request can be answered with the response, or if there are too many.
func varyNames(h *exchange.Header) (names []string, ok bool) {
	for list := range h.Values("vary") {
		for more := true; more; {
			var name string
			name, list, more = strings.Cut(list, ",")
			switch name = strings.ToLower(strings.Trim(name, " \t")); {
			case name == "":
				continue
			case !exchange.ValidName(name) || name == "*" || tellsWho(name):
				return nil, false
			case !slices.Contains(names, name):
				names = append(names, name)
			}
			if len(names) > maxVary {
				return nil, false
			}
		}
	}
	slices.Sort(names)
	return names, true
}

// tellsWho names fields in which weir tells the upstream who asks. Requests do not have
// them yet, or others, so they cannot be compared by them.
func tellsWho(name string) bool {
	switch name {
	case "x-forwarded-for", "x-real-ip", "forwarded", "x-request-id":
		return true
	}
	return false
}

// believed are the fields by which a trusted proxy tells what its client asked for.
// Applications redirect by them and write links with them, without a Vary. From others
// they are dropped before the upstream sees them.
var believed = [...]string{"x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto"}

// appendVariant appends the fields of r that names names, and those that are believed,
// in the form in which they are compared.
func appendVariant(b []byte, names []string, r *exchange.Request) []byte {
	for _, name := range names {
		b = appendField(b, name, &r.Header)
	}
	if r.Trusted {
		for i, name := range believed {
			if r.Header.Has(name) {
				b = appendField(append(b, byte(3+i)), name, &r.Header)
			}
		}
	}
	return b
}

func appendField(b []byte, name string, h *exchange.Header) []byte {
	if name == "accept-encoding" {
		if codings, ok := codingsOf(h); ok {
			return append(b, 1, codings, separator)
		}
	}
	there := byte(2)
	for i := range h.Len() {
		f := h.At(i)
		if f.Name != name {
			continue
		}
		b = append(b, there) // 2, then commas
		there = ','
		b = appendTight(b, f.Value, name == "accept-language")
	}
	return append(b, separator)
}

// appendTight appends a value without the space around its commas, which means
// nothing in a list (RFC 9110 §5.6.1); fold says that case means nothing either.
func appendTight(b []byte, value string, fold bool) []byte {
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == ' ' || c == '\t' {
			j := i
			for j < len(value) && (value[j] == ' ' || value[j] == '\t') {
				j++
			}
			if i > 0 && value[i-1] == ',' || j < len(value) && value[j] == ',' {
				i = j - 1
				continue
			}
		}
		if fold && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// codingsOf returns, a bit each, which of the common codings h accepts: clients write
// that in a hundred ways. What they prefer is left out: any of what they accept serves.
// ok is false if there is talk of others.
func codingsOf(h *exchange.Header) (codings byte, ok bool) {
	n, header := 0, ""
	for v := range h.Values("accept-encoding") {
		header = v
		n++
	}
	switch {
	case n == 0:
		return 0, true
	case n > 1:
		header = h.Joined("accept-encoding")
	}
	for list := header; list != ""; {
		var item string
		item, list, _ = strings.Cut(list, ",")
		name, params, weighed := strings.Cut(strings.Trim(item, " \t"), ";")
		bit := codingBit(strings.TrimRight(name, " \t"))
		if bit == 0 && name != "" || weighed && strings.Contains(params, `"`) {
			return 0, false
		}
		if !weighed || exchange.AcceptsEncoding(header, name) > 0 {
			codings |= bit
		}
	}
	return codings | 1<<7, true
}

func codingBit(name string) byte {
	switch {
	case is(name, "gzip"):
		return 1
	case is(name, "br"):
		return 2
	case is(name, "zstd"):
		return 4
	case is(name, "deflate"):
		return 8
	case is(name, "identity"):
		return 16
	}
	return 0 // "*" as well: what it stands for depends on the rest
}
