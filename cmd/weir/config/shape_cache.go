package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillCacheStore(_ *reader, s *CacheStore) { *s = CacheStore{Memory: 64 << 20, Disk: 1 << 30} }

var cacheStoreShort = shape[CacheStore]{
	read: func(r *reader, n *yaml.Node, s *CacheStore) {
		s.Default = new(Cache)
		cacheShape.read(r, n, s.Default)
	},
	schema: boolean.schema,
}

var cacheStoreShape = object[CacheStore]{
	name: "cache_store", doc: "Where responses are kept.", short: &cacheStoreShort,
	pos: func(s *CacheStore) *Pos { return &s.Pos }, fill: fillCacheStore,
	fields: []field[CacheStore]{
		at("memory", "Memory for responses.", size(1<<20, ""), func(s *CacheStore) *int64 { return &s.Memory }),
		at("dir", "Directory for responses on disk. Default: none are kept there.", place("a directory"), func(s *CacheStore) *string { return &s.Dir }),
		quiet(at("disk", "Space for them there.", size(1<<20, ""), func(s *CacheStore) *int64 { return &s.Disk })),
		at("object", "Size of the largest response that is kept. Default: 8 MiB in memory, 128 MiB on disk.", objectSize, func(s *CacheStore) *int64 { return &s.Object }),
		quiet(at("default", "What holds for sites that say nothing of a cache: true, false or options. Default: false.", ptr(cacheShape), func(s *CacheStore) **Cache { return &s.Default })),
	},
	after: func(r *reader, n *yaml.Node, s *CacheStore) {
		if disk, _ := entry(n, "disk"); n.Kind == yaml.MappingNode && disk != nil && s.Dir == "" {
			r.fail(disk, "give a directory as dir:", "disk has no meaning without dir")
		}
	},
}.shape()

var objectSize = size(1<<10, "auto")

var cacheShort = shape[Cache]{
	read: func(r *reader, n *yaml.Node, c *Cache) {
		if d, err := parseDuration(n.Value); err == nil && d > 0 && n.Kind == yaml.ScalarNode {
			r.fail(n, "write {ttl: "+n.Value+"}", "want true, false or options, got %q", short(n.Value))
			return
		}
		boolean.read(r, n, &c.Enabled)
	},
	print:  func(p *printer, c *Cache) *yaml.Node { return boolean.print(p, &c.Enabled) },
	schema: boolean.schema,
}

func fillCache(_ *reader, c *Cache) { *c = Cache{Enabled: true, Tags: "cache-tag"} }

var noneOrLong = duration(time.Second, "none")

var cacheShape = object[Cache]{
	name: "cache", doc: "Keep responses and answer with them, as HTTP allows it (RFC 9111).", short: &cacheShort,
	pos: func(c *Cache) *Pos { return &c.Pos }, fill: fillCache,
	fields: []field[Cache]{
		at("enabled", "false switches it off.", boolean, func(c *Cache) *bool { return &c.Enabled }),
		quiet(at("ttl", "How long responses are fresh that do not say so themselves, or none: those are not kept.", noneOrLong, func(c *Cache) *time.Duration { return &c.TTL })),
		quiet(at("max_ttl", "The longest that any is fresh, or none.", noneOrLong, func(c *Cache) *time.Duration { return &c.MaxTTL })),
		quiet(at("stale_while_revalidate", "How long after that a response is still sent while a new one is fetched, or none.", noneOrLong, func(c *Cache) *time.Duration { return &c.StaleWhileRevalidate })),
		quiet(at("stale_if_error", "How long after that a response is still sent when there is no new one, or none.", noneOrLong, func(c *Cache) *time.Duration { return &c.StaleIfError })),
		quiet(at("ignore_query", `Query parameters that do not tell responses apart: "utm_*"; "*": none does.`, list(queryName), func(c *Cache) *[]string { return &c.IgnoreQuery })),
		quiet(at("bypass_cookies", `Cookies whose requests are not answered from the cache: "session*".`, list(cookieGlob), func(c *Cache) *[]string { return &c.BypassCookies })),
		quiet(at("tags", "Response field that lists tags to purge by. Clients do not get it.", fieldName, func(c *Cache) *string { return &c.Tags })),
	},
}.shape()

var queryName = text("the name of a parameter", func(s string) error {
	if strings.ContainsAny(s, "&=#? ") || strings.Contains(strings.TrimSuffix(s, "*"), "*") {
		return &problem{"this is no name of a parameter", `write a name, or its beginning and a star: "utm_*"`}
	}
	return checkPrintable(s)
})

var cookieGlob = text("the name of a cookie", checkNameGlob)

// checkNameGlob takes a token that may end with a star.
func checkNameGlob(s string) error {
	if name := strings.TrimSuffix(s, "*"); name == "" || strings.Contains(name, "*") || !isToken(name) {
		return &problem{"want a name, got " + strconv.Quote(short(s)), `write a name, or its beginning and a star: "session*"`}
	}
	return nil
}

// checkCacheMethods refuses a cache where there is nothing to keep.
func checkCacheMethods(r *reader, n *yaml.Node, v *Route) {
	if v.Cache == nil || !v.Cache.Enabled || len(v.Match.Methods) == 0 ||
		slices.Contains(v.Match.Methods, "GET") || slices.Contains(v.Match.Methods, "HEAD") {
		return
	}
	key, _ := entry(n, "cache")
	r.fail(key, "remove it, or match GET", "only answers to GET and HEAD are kept, and this route takes %s", strings.Join(v.Match.Methods, ", "))
}
