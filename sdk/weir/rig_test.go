package weir_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// both runs a test on weir and on a host that is not weir.
func both(t *testing.T, f weir.Filter, test func(t *testing.T, h *sdktest.Host)) {
	t.Helper()
	t.Run("weir", func(t *testing.T) {
		t.Parallel()
		test(t, sdktest.New(t, sdktest.Filter(f)))
	})
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		test(t, sdktest.New(t, sdktest.Filter(f), sdktest.Plain()))
	})
}

// same fails the test where got is not what it should be.
func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, quoted(got), quoted(want))
	}
}

func quoted(v any) any {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return v
}

// quiet fails the test where there were warnings.
func quiet(t *testing.T, h *sdktest.Host) {
	t.Helper()
	if w := h.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}

// failing is a test that is expected to fail: it keeps why.
type failing struct {
	testing.TB
	failed bool
	text   string
}

func (f *failing) Failed() bool { return f.failed || f.TB.Failed() }

func (f *failing) Fatalf(format string, a ...any) {
	f.failed = true
	f.text = fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// run runs what fails.
func (f *failing) run(test func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test()
	}()
	<-done
}

// upper is a transform.
func upper(dst *weir.Writer, src *weir.Body) error {
	for {
		c, err := src.Chunk()
		if err != nil {
			return end(err)
		}
		if _, err := dst.WriteString(strings.ToUpper(string(c))); err != nil {
			return err
		}
	}
}

// end is nil for the end of a body.
func end(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
