package static

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

type cacheRule struct {
	glob  glob
	value string
}

// directives are those of RFC 9111 §5.2.2, RFC 5861 and RFC 8246. Others are
// taken for typing errors.
var directives = []string{"public", "private", "no-cache", "no-store", "no-transform", "must-revalidate",
	"proxy-revalidate", "must-understand", "max-age", "s-maxage", "immutable", "stale-while-revalidate", "stale-if-error"}

func parseCacheRules(rules []CacheRule) ([]cacheRule, error) {
	var (
		all  []cacheRule
		errs []error
	)
	for _, r := range rules {
		g, err := parseGlob(r.Glob, false)
		if err != nil {
			errs = append(errs, fmt.Errorf("cache control %q: %w", r.Glob, err))
		}
		value, err := cacheValue(r.Value)
		if err != nil {
			errs = append(errs, fmt.Errorf("cache control %q: %q: %w", r.Glob, r.Value, err))
		}
		all = append(all, cacheRule{g, value})
	}
	return all, errors.Join(errs...)
}

func cacheValue(s string) (string, error) {
	switch s {
	case "none":
		return "no-store", nil
	case "revalidate":
		return "no-cache", nil
	case "immutable":
		return "public, max-age=31536000, immutable", nil
	}
	if age, ok := parseAge(s); ok {
		return "public, max-age=" + strconv.FormatInt(int64(age/time.Second), 10), nil
	}
	for d := range strings.SplitSeq(s, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(d), "=")
		if !slices.Contains(directives, lower(name)) {
			return "", errors.New("want none, revalidate, immutable, a duration or Cache-Control directives")
		}
	}
	if !exchange.ValidValue(s) {
		return "", errors.New("not a field value")
	}
	return s, nil
}

// parseAge reads a Go duration, or days.
func parseAge(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n <= 36500
	}
	age, err := time.ParseDuration(s)
	return age, err == nil && age >= 0
}

// cacheFor returns the Cache-Control of name, or "".
func (h *Handler) cacheFor(name string) string {
	for _, r := range h.cacheControl {
		if r.glob.match(name) {
			return r.value
		}
	}
	return ""
}
