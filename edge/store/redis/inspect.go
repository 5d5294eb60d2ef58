package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/store"
)

// Inspect implements store.Engine. It asks for INFO alone, which managed services, too,
// let one ask for.
func (e *engine) Inspect(ctx context.Context) (store.Inspection, error) {
	i := store.Inspection{Engine: "redis", Place: e.place}
	text, err := e.client.Info(ctx).Result()
	if err != nil {
		return i, explain(err)
	}
	info := parseInfo(text)
	i.Version = info["redis_version"]
	add := func(level store.Level, format string, args ...any) {
		i.Findings = append(i.Findings, store.Finding{Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if older(i.Version, 6, 2) {
		add(store.Warning, "redis %s is older than 6.2, which is the oldest that weir is made for", i.Version)
	} else {
		add(store.Fine, "redis %s", i.Version)
	}
	policy, limit := info["maxmemory_policy"], info["maxmemory"]
	switch {
	case policy == "noeviction":
		add(store.Fine, "maxmemory-policy is noeviction")
	case limit == "0":
		add(store.Warning, "maxmemory-policy is %s, and harmless while maxmemory is 0; set it to noeviction", policy)
	default:
		add(store.Wrong, "maxmemory-policy is %s: redis throws certificates away when it is full; set it to noeviction", policy)
	}
	switch {
	case info["aof_enabled"] == "1" && info["aof_last_write_status"] == "err":
		add(store.Wrong, "the append-only file cannot be written: look at redis' log")
	case info["aof_enabled"] == "1":
		add(store.Fine, "the append-only file is on")
	default:
		add(store.Warning, "the append-only file is off: a restart loses what was written since the last snapshot; set appendonly yes")
	}
	if info["rdb_last_bgsave_status"] == "err" {
		add(store.Warning, "the last snapshot could not be written: look at redis' log")
	}
	if role := info["role"]; role != "master" {
		add(store.Wrong, "this server is a %s: writes fail; name the master in the URL", role)
	}
	if e.open {
		add(store.Warning, "the connection is not encrypted: use rediss://")
	}
	return i, nil
}

// parseInfo reads the lines of INFO.
func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// older tells whether version is before major.minor; what is no version is not.
func older(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (a < major || a == major && b < minor)
}
