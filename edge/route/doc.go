// Package route finds the rule that a request belongs to. A [Table] is compiled
// once from all rules, does not change, and is safe for concurrent use. It knows
// nothing of what the rules lead to.
//
// # Hosts
//
// A rule is for one or more hosts: "example.com" is that name; "*.example.com" is
// every name with exactly one label more, as in certificates (RFC 9525 §6.3), so
// neither "example.com" nor "a.b.example.com"; "default" (or "") is whatever no other
// rule names. The exact name wins over the wildcard, the wildcard over the
// default. The host is chosen first, once and for all: a path that its rules do
// not know is not looked for among another host's.
//
// # Paths
//
// Patterns are written and matched in canonical form: decoded, without dot
// segments. Every segment is one of
//
//	text       that text. A pattern that ends in a slash is for paths that do
//	{name}     any one segment, not empty
//	{rest...}  the rest of the path, slashes included, perhaps empty; last only
//	*          the same without a name; last only
//
// so "/a/*" is for "/a/", "/a/b" and "/a/b/c", but not for "/a"; and "/*", which
// may be left out, is for every path. A percent sign stands for itself;
// %2F and %5C stand for an encoded slash and backslash, which canonical paths keep.
// Case matters unless the rule says otherwise; then ASCII letters are folded and
// no others (folding that changes lengths has been a hole elsewhere: security P10).
//
// # Which rule wins
//
// The one whose pattern is most specific, that is, matches fewer paths; the
// order of rules does not matter for that. Among rules with the same pattern, the
// one with more matchers, then the one with fewer methods, then the first in order.
// A rule that does not take the method, or whose matchers do not hold, is passed
// over, and the next best is asked. Patterns of which neither is more specific but
// which both match some path, as "/a/{x}" and "/{y}/b", are a conflict unless no
// method is common to both; so are rules that say the same twice. [Compile] reports
// every conflict.
package route
