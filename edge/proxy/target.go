package proxy

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// appendTarget appends the path that the upstream is asked for: the canonical one,
// which rules and filters have judged (security P6), with prefixes taken off and put
// in front. stripped tells that one was taken off.
func (p *Proxy) appendTarget(b []byte, r *exchange.Request) (target []byte, stripped bool) {
	if r.Path == "*" {
		return append(b, '*'), false
	}
	path := r.Path
	if p.strip != "" {
		rest, found := strings.CutPrefix(path, p.strip)
		if stripped = found && (rest == "" || rest[0] == '/'); stripped {
			if path = rest; path == "" {
				path = "/"
			}
		}
	}
	return exchange.AppendPath(append(b, p.addText...), path, r.Opaque), stripped
}

// unchanged tells whether path is that of target, so that target can be sent as it is.
func unchanged(path []byte, target string) bool {
	return len(target) >= len(path) && target[:len(path)] == string(path) && (len(target) == len(path) || target[len(path)] == '?')
}

// prefixOf brings a prefix from the configuration into the form that paths have,
// without a slash at its end; text is how it is written on the wire.
func prefixOf(setting, prefix string) (path, text string, err error) {
	if prefix == "" {
		return "", "", nil
	}
	path, opaque, err := exchange.CanonicalPath(prefix)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%s %q: %w", setting, prefix, err)
	case opaque || strings.Contains(path, "%"):
		return "", "", fmt.Errorf("%s %q: holds an encoded slash or percent sign", setting, prefix)
	}
	path = strings.TrimSuffix(path, "/")
	return path, string(exchange.AppendPath(nil, path, false)), nil
}
