package trial

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// mostLines bounds what is kept of a case's log.
const mostLines = 10_000

// ear is the log of a host: it hears what the guests of one plugin say, and what weir says
// of them. It is safe for concurrent use.
type ear struct {
	mu     sync.Mutex
	plugin string // whose guests are listened to
	lines  []Line
	notes  []string
	traps  []Trap
	full   bool
}

// listen begins anew.
func (e *ear) listen(plugin string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plugin, e.lines, e.notes, e.traps, e.full = plugin, nil, nil, nil, false
}

// tell copies to o what was heard so far.
func (e *ear) tell(o *Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o.Log, o.Notes, o.Traps = slices.Clone(e.lines), slices.Clone(e.notes), slices.Clone(e.traps)
}

// Enabled implements slog.Handler.
func (e *ear) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler: what weir adds to all lines is of no use here.
func (e *ear) WithAttrs([]slog.Attr) slog.Handler { return e }

// WithGroup implements slog.Handler.
func (e *ear) WithGroup(string) slog.Handler { return e }

// Handle implements slog.Handler.
func (e *ear) Handle(_ context.Context, r slog.Record) error {
	var plugin, text, reason, stack string
	var rest strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "plugin":
			plugin = a.Value.String()
		case "text":
			text = a.Value.String()
		case "err":
			reason = a.Value.String()
		case "stack":
			stack = a.Value.String()
		case "id": // there is but one request
		default:
			rest.WriteString(" " + a.String())
		}
		return true
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case plugin != e.plugin || e.plugin == "":
	case len(e.lines)+len(e.notes)+len(e.traps) >= mostLines:
		if !e.full {
			e.full = true
			e.notes = append(e.notes, "more was logged than is kept")
		}
	case r.Message == "guest says" || r.Message == "program says":
		e.lines = append(e.lines, Line{r.Level, text})
	case r.Message == "guest failed":
		e.traps = append(e.traps, Trap{reason, stack})
	default:
		if reason != "" {
			reason = ": " + reason
		}
		e.notes = append(e.notes, r.Message+rest.String()+reason)
	}
	return nil
}
