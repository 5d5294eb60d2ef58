package guest

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// Fail makes the exchange's error of what a guest failed with: 503 where no instance
// was to be had, else 500. It notes the plugin in r's record, and logs the guest's stack
// under the id that the client learns.
func (p *Plugin) Fail(r *exchange.Request, err error) error {
	r.Record.Plugin = p.Name
	status := http.StatusInternalServerError
	if errors.Is(err, vm.ErrBusy) {
		status = http.StatusServiceUnavailable
	}
	if t, ok := errors.AsType[*vm.Trap](err); ok && t.Stack != "" {
		p.Log.Error("guest failed", "plugin", p.Name, "id", r.Record.ID(), "err", t, "stack", t.Stack)
	}
	return &exchange.Error{Fault: exchange.Plugin, Status: status, Err: fmt.Errorf("plugin %s: %w", p.Name, err)}
}
