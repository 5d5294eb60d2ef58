package exchange

import "strings"

// AcceptsEncoding returns how much the client wants coding ("gzip", "br",
// "identity"), by all its Accept-Encoding fields joined, in thousandths: 0 is
// "not acceptable". Without a field, and for what a field does not mention, only
// identity is acceptable, and then it is wanted least (1), so that any coding the
// client asked for wins over it (RFC 9110 §12.5.3). It does not allocate.
func AcceptsEncoding(header, coding string) int {
	star, q := -1, -1
	for header != "" {
		var item string
		item, header = nextItem(header)
		name, params := cutParams(item)
		switch {
		case name == "*" && star < 0:
			star = weight(params)
		case q < 0 && sameCoding(name, coding):
			q = weight(params)
		}
	}
	switch {
	case q >= 0:
		return q
	case star >= 0:
		return star
	case coding == "identity":
		return 1
	}
	return 0
}

// PreferEncoding returns the offer that the client wants most, by all its
// Accept-Encoding fields joined, or "" where that is the plain content. Among
// equals the first offer wins, and every offer wins over plain content. Plain
// content is also the answer where nothing is acceptable: a client that refuses
// everything is better served than told 406. It does not allocate.
func PreferEncoding(header string, offers ...string) string {
	if header == "" {
		return ""
	}
	best, bestQ := "", 0
	for _, offer := range offers {
		if q := AcceptsEncoding(header, offer); q > bestQ {
			best, bestQ = offer, q
		}
	}
	if bestQ > 0 && AcceptsEncoding(header, "identity") > bestQ {
		return ""
	}
	return best
}

// AcceptsMedia returns how much the client wants media ("text/html", in lower
// case, without parameters), by all its Accept fields joined, in thousandths: 0 is
// "not acceptable". The most specific range decides (RFC 9110 §12.5.1);
// parameters of ranges are ignored. Without a field everything is wanted alike.
// It does not allocate.
func AcceptsMedia(header, media string) int {
	if header == "" {
		return 1000
	}
	major, _, _ := strings.Cut(media, "/")
	best, q := 0, 0
	for header != "" {
		var item string
		item, header = nextItem(header)
		name, params := cutParams(item)
		fits := 0
		switch {
		case equalFold(name, media):
			fits = 3
		case len(name) == len(major)+2 && name[len(major):] == "/*" && equalFold(name[:len(major)], major):
			fits = 2
		case name == "*/*":
			fits = 1
		}
		if fits > best {
			best, q = fits, weight(params)
		} else if fits == best && fits > 0 {
			q = max(q, weight(params))
		}
	}
	return q
}

// PreferMedia returns the offer that the client wants most, by all its Accept
// fields joined; among equals the first. It returns "" where none is acceptable.
// Offers are in lower case. It does not allocate.
func PreferMedia(header string, offers ...string) string {
	best, bestQ := "", 0
	for _, offer := range offers {
		if q := AcceptsMedia(header, offer); q > bestQ {
			best, bestQ = offer, q
		}
	}
	return best
}

// nextItem cuts the first member off a comma-separated list. A comma inside a
// quoted string does not count.
func nextItem(list string) (item, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return trimSpace(list[:i]), list[i+1:]
		}
	}
	return trimSpace(list), ""
}

func cutParams(item string) (name, params string) {
	name, params, _ = strings.Cut(item, ";")
	return trimSpace(name), params
}

// weight finds the q parameter, in thousandths. None means 1000. One that is not
// a weight means 0: what cannot be read is not what the client asked for.
func weight(params string) int {
	for params != "" {
		var p string
		p, params = nextParam(params)
		if len(p) >= 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=' {
			return parseWeight(p[2:])
		}
	}
	return 1000
}

func nextParam(params string) (param, rest string) {
	quoted := false
	for i := 0; i < len(params); i++ {
		switch c := params[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ';' && !quoted:
			return trimSpace(params[:i]), params[i+1:]
		}
	}
	return trimSpace(params), ""
}

// parseWeight reads ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3"0" ] ).
func parseWeight(s string) int {
	if s == "" || len(s) > 5 || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0
	}
	q, unit := 1000*int(s[0]-'0'), 100
	for i := 2; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		q += unit * int(s[i]-'0')
		unit /= 10
	}
	if q > 1000 {
		return 0
	}
	return q
}

// sameCoding compares codings; x-gzip is gzip (RFC 9110 §8.4.1.3).
func sameCoding(name, coding string) bool {
	return equalFold(name, coding) || coding == "gzip" && equalFold(name, "x-gzip")
}

// equalFold compares ASCII letters without case; folded is in lower case.
func equalFold(s, folded string) bool {
	if len(s) != len(folded) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != folded[i] {
			return false
		}
	}
	return true
}

func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
