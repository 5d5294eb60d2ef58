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
// everything is better served than told 406. Offers beyond the eighth are not
// looked at. It reads the header once and does not allocate.
func PreferEncoding(header string, offers ...string) string {
	const unsaid = -1
	star, identity := unsaid, unsaid
	var said [8]int // weights plus one, so that 0 is unsaid
	offers = offers[:min(len(offers), len(said))]
	for header != "" {
		var item string
		item, header = nextItem(header)
		name, params := cutParams(item)
		switch {
		case name == "*":
			if star == unsaid {
				star = weight(params)
			}
			continue
		case identity == unsaid && equalFold(name, "identity"):
			identity = weight(params)
		}
		for i, offer := range offers {
			if said[i] == 0 && sameCoding(name, offer) {
				said[i] = 1 + weight(params)
			}
		}
	}
	star = max(star, 0)
	if identity == unsaid {
		identity = star
	}
	best, bestQ := "", 0
	for i, offer := range offers {
		q := said[i] - 1
		if q == unsaid {
			q = star
		}
		if q > bestQ {
			best, bestQ = offer, q
		}
	}
	if identity > bestQ {
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
func nextItem(list string) (item, rest string) { return nextOf(list, ',') }

func nextOf(list string, separator byte) (item, rest string) {
	end := strings.IndexByte(list, separator)
	if end < 0 {
		return trimSpace(list), ""
	}
	if strings.IndexByte(list[:end], '"') >= 0 {
		if end = unquotedIndex(list, separator); end < 0 {
			return trimSpace(list), ""
		}
	}
	return trimSpace(list[:end]), list[end+1:]
}

func unquotedIndex(s string, separator byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			return i
		}
	}
	return -1
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
		p, params = nextOf(params, ';')
		if len(p) >= 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=' {
			return parseWeight(p[2:])
		}
	}
	return 1000
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
