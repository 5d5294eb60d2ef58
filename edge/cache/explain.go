package cache

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Explain says in a few words what Handle would do with r now. It asks nobody and
// changes nothing.
func (f *Filter) Explain(r *exchange.Request) string {
	var q query
	q.read(&r.Header)
	if why := f.passes(r, &q); why != "" {
		return "passes by the cache (" + why + ")"
	}
	key := f.appendKey(nil, r)
	if len(key) > maxKey {
		return "passes by the cache (the URL is too long)"
	}
	now := time.Now()
	e, others := f.store.find(key, r)
	switch use := f.judge(e, others, &q, now); use {
	case fresh:
		return fmt.Sprintf("from the cache (%d bytes, fresh for %d s)", e.size, e.ttlAt(now))
	case stale, refresh:
		return fmt.Sprintf("from the cache, stale (%d bytes, since %d s)", e.size, -e.ttlAt(now))
	default:
		return "fetched (" + use.reason() + ")"
	}
}
