package guest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// Fail makes the exchange's error of what a guest failed with: 503 where no instance
// was to be had, else 500. It notes the plugin in r's record.
func (p *Plugin) Fail(r *exchange.Request, err error) error {
	r.Record.Plugin = p.Name
	status := http.StatusInternalServerError
	if errors.Is(err, vm.ErrBusy) {
		status = http.StatusServiceUnavailable
	}
	return &exchange.Error{Fault: exchange.Plugin, Status: status, Err: fmt.Errorf("plugin %s: %w", p.Name, err)}
}

// Trapped counts a guest that ended before its time, and logs that with its stack: once
// for each, whoever suffers from it. r is the request that is to blame, whose client
// learns the same id; nil: none is. An error that is no *vm.Trap is logged alone.
func (p *Plugin) Trapped(r *exchange.Request, err error) {
	log := []any{slog.String("plugin", p.Name)}
	if r != nil {
		log = append(log, slog.String("id", r.Record.ID()))
	}
	log = append(log, slog.Any("err", err))
	if t, ok := errors.AsType[*vm.Trap](err); ok {
		p.Counters.Traps[t.Reason].Add(1)
		if t.Stack != "" {
			log = append(log, slog.String("stack", t.Stack))
		}
	}
	p.Log.Error("guest failed", log...)
}
