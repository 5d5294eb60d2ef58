package dns01_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No question and no answer leaves a goroutine behind. (Pebble's do: its validators have
// no end.)
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"))
}
