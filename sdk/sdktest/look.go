package sdktest

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// This file has what a test looks at, and what it prepares.

// Line is one of the filter's log.
type Line struct {
	At    time.Duration
	Level abi.Level
	Text  string
}

// String returns the line as "warn: text".
func (l Line) String() string { return levelName(l.Level) + ": " + l.Text }

func levelName(l abi.Level) string {
	names := [...]string{"trace", "debug", "info", "warn", "error", "critical"}
	return names[min(int(l), len(names)-1)]
}

// Log returns what the filter has logged.
func (h *Host) Log() []Line { return slices.Clone(h.log) }

// Logged tells whether the filter has logged a line, as "warn: text", with that in it.
func (h *Host) Logged(part string) bool {
	return slices.ContainsFunc(h.log, func(l Line) bool { return strings.Contains(l.String(), part) })
}

// Warnings returns what the filter has done that hosts put up with, and that is not what
// its author means.
func (h *Host) Warnings() []string { return slices.Clone(h.warnings) }

func (h *Host) warn(format string, a ...any) {
	s := fmt.Sprintf(format, a...)
	h.warnings = append(h.warnings, s)
	h.t.Logf("sdktest, at %v: %s", h.clock.now, s)
}

// Calls returns what the filter has called so far.
func (h *Host) Calls() []*Call { return slices.Clone(h.calls) }

// Requests returns what has reached what is behind the filter so far.
func (h *Host) Requests() []*Request { return slices.Clone(h.reached) }

// Waiting returns what the filter waits for of the host: "fetch users", "sleep".
func (h *Host) Waiting() (all []string) {
	for _, token := range slices.Sorted(maps.Keys(h.pending)) {
		all = append(all, h.pending[token].what)
	}
	return all
}

// Metric returns what a counter or gauge is at, and how often a histogram was recorded.
func (h *Host) Metric(name string) uint64 {
	if id := h.metrics.byID[name]; id > 0 {
		return h.metrics.all[id-1].value
	}
	return 0
}

// Recorded returns what a histogram has recorded.
func (h *Host) Recorded(name string) []uint64 {
	if id := h.metrics.byID[name]; id > 0 {
		return slices.Clone(h.metrics.all[id-1].values)
	}
	return nil
}

// Stored returns an entry of the store; the space is "" for the filter's own.
func (h *Host) Stored(space, key string) (value string, ok bool) {
	e, ok := h.entry(space, key)
	return e.value, ok
}

// StoredKeys returns the keys of a space of the store, in their order.
func (h *Host) StoredKeys(space string) []string { return h.keysOf(space) }

// Store keeps an entry, as if the filter had; life is how long it lives, 0 for ever.
func (h *Host) Store(space, key, value string, life time.Duration) {
	h.keep(space, key, value, life)
}

// Grant grants the filter a space of the store.
func (h *Host) Grant(space string) { h.store.granted[space] = true }

// Key grants the filter a key to sign with: a []byte is one of HS256, an
// ed25519.PrivateKey one of EdDSA.
func (h *Host) Key(name string, key any) {
	switch key.(type) {
	case []byte, ed25519.PrivateKey:
		h.keys[name] = key
	default:
		h.t.Helper()
		h.t.Fatalf("sdktest: the key %s is a %T, want []byte or ed25519.PrivateKey", name, key)
	}
}

// Shared returns what the filter has set with weir.SharedSet.
func (h *Host) Shared(key string) (value string, ok bool) {
	v, ok := h.shared[key]
	return v.value, ok
}

// Property returns what the filter has set with SetProperty, or was given with
// [Request.Properties]: Property("auth.user").
func (x *Exchange) Property(path string) (value string, ok bool) {
	value, ok = x.properties[strings.ReplaceAll(path, ".", "\x00")]
	return value, ok
}

// property is what the filter finds at a path.
func (h *Host) property(path string) ([]byte, bool) {
	if path == "plugin_root_id" {
		return []byte(h.rootID), true
	}
	x := h.effective
	if x == nil {
		return nil, false
	}
	if v, ok := x.properties[path]; ok {
		return []byte(v), true
	}
	r := x.req
	number := func(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	urlPath, query, _ := strings.Cut(x.in.header.Get(":path"), "?")
	switch strings.ReplaceAll(path, "\x00", ".") {
	case "request.path":
		return []byte(x.in.header.Get(":path")), true
	case "request.url_path":
		return []byte(urlPath), true
	case "request.query":
		return []byte(query), true
	case "request.host":
		return []byte(x.in.header.Get(":authority")), true
	case "request.scheme":
		return []byte(x.in.header.Get(":scheme")), true
	case "request.method":
		return []byte(x.in.header.Get(":method")), true
	case "request.protocol":
		return []byte("HTTP/1.1"), true
	case "source.address":
		return []byte(r.Client), true
	case "response.code":
		if x.out.begun {
			return number(atoi(x.out.header.Get(":status"))), true
		}
	}
	if name, ok := strings.CutPrefix(path, "request\x00headers\x00"); ok && x.in.header.Has(name) {
		return []byte(strings.Join(x.in.header.Values(name), ",")), true
	}
	return nil, false
}
