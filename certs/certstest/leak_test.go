package certstest_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that tests leave behind. Pebble never ends one of its own.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"))
}
