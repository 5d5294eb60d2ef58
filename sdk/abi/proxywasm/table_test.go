package proxywasm_test

import (
	"testing"

	"github.com/weirproxy/weir/sdk/abi/proxywasm"
)

func TestHostFuncs_AreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range proxywasm.HostFuncs() {
		if seen[f.Name] {
			t.Errorf("%s is listed twice", f.Name)
		}
		seen[f.Name] = true
		if f.Since == 0 || f.Until != 0 && f.Until < f.Since {
			t.Errorf("%s is said to be there from version %d until %d", f.Name, f.Since, f.Until)
		}
	}
}
