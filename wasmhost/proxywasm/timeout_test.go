package proxywasm

import (
	"testing"
	"time"
)

func TestCallTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given uint64
		want  time.Duration
		ok    bool
	}{
		{0, callTime, true},
		{1, time.Millisecond, true},
		{0xffffffff_00000005, 5 * time.Millisecond, true}, // upper halves of slots hold anything
		{1 << 30, longestCall, true},
		{1<<31 - 1, longestCall, true},
		{1 << 31, 0, false},
	} {
		if got, ok := callTimeout(tt.given); ok != tt.ok || ok && got != tt.want {
			t.Errorf("callTimeout(%#x): got %v, %t; want %v, %t", tt.given, got, ok, tt.want, tt.ok)
		}
	}
}
