package weir_test

import (
	"errors"
	"strings"
	"testing"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

func TestShared_IsSetAndRead(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, _, err := weir.SharedGet("a"); !errors.Is(err, weir.ErrNotFound) {
			t.Errorf("get of none: %v", err)
		}
		if err := weir.SharedSet("a", []byte("1"), 0); err != nil {
			t.Error(err)
		}
		v, version, err := weir.SharedGet("a")
		if string(v) != "1" || version == 0 || err != nil {
			t.Errorf("get: %q, %d, %v", v, version, err)
		}
		if err := weir.SharedSet("a", []byte("2"), version); err != nil {
			t.Error(err)
		}
		if err := weir.SharedSet("a", []byte("3"), version); !errors.Is(err, weir.ErrConflict) {
			t.Errorf("set of what has changed: %v", err)
		}
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Get("/")
		v, _ := h.Shared("a")
		same(t, "a", v, "2")
	})
}

func TestMetrics_Count(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		weir.Counter("requests").Add(1)
		weir.Counter("requests").Add(0)
		weir.Counter("requests").Add(-5)
		weir.Gauge("open").Add(3)
		weir.Gauge("open").Add(-1)
		weir.Gauge("level").Set(7)
		weir.Histogram("size").Record(10)
		weir.Histogram("size").Record(20)
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Get("/")
		h.Get("/")
		same(t, "requests", h.Metric("requests"), 2)
		same(t, "open", h.Metric("open"), 4)
		same(t, "level", h.Metric("level"), 7)
		same(t, "sizes", h.Metric("size"), 4)
		same(t, "a size", h.Recorded("size")[3], 20)
		same(t, "none", h.Metric("none"), 0)
		quiet(t, h)
	})
}

func TestLog_HasLevels(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		weir.LogDebug("a")
		weir.LogInfo("b")
		weir.LogWarn("c")
		weir.LogError("d")
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Get("/")
		var got strings.Builder
		for _, l := range h.Log() {
			got.WriteString(l.String() + "; ")
		}
		same(t, "log", got.String(), "debug: a; info: b; warn: c; error: d; ")
		same(t, "level", h.Log()[2].Level, abi.Warn)
	})
}

func TestCallHost_IsUnsupportedWhereItIsNotKnown(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, err := weir.CallHost("compress", nil); !errors.Is(err, weir.ErrUnsupported) {
			t.Errorf("error: %v", err)
		}
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) { h.Get("/") })
}
