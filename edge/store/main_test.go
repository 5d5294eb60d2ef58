package store_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever was opened is closed at the end: no goroutine is left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
