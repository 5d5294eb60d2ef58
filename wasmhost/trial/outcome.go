package trial

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Outcome is what came of a case.
type Outcome struct {
	ABI      string
	Response *Got // nil: there was none
	Upstream *Got // nil: nothing reached it
	Calls    []*Got
	Log      []Line
	Notes    []string         // what weir itself had to say
	Traps    []Trap           // guests that ended before their time
	Err      error            // why the request failed, or the response broke off
	Refused  error            // why there is no guest
	Metrics  map[string]int64 // of histograms, how many values
	Store    []Entry          // of what the case looks at, what is there afterwards
	Late     bool             // it took longer than it may

	Took   time.Duration
	Start  time.Duration // before that, for an instance that was ready
	Fuel   int64         // of the request
	Memory int64         // of instances, the most that was seen

	unanswered []*Got // calls for which there was no answer
}

// Got is a message as it came.
type Got struct {
	To, Method, Path, Scheme, Authority string
	Status                              int
	Header, Trailer, Hints              []exchange.Field
	Body                                []byte // the first 64 MiB of it
	Size                                int64  // of all of it
	Err                                 error  // where its body broke off
}

// String is the line that tells a request from others.
func (g *Got) String() string {
	if g.To != "" {
		return fmt.Sprintf("%s %s to %s", g.Method, g.Path, g.To)
	}
	return g.Method + " " + g.Path
}

// Line is one of a guest's log.
type Line struct {
	Level slog.Level
	Text  string
}

// String is what patterns are looked for in: "info: text".
func (l Line) String() string {
	word := "error"
	switch {
	case l.Level < slog.LevelDebug:
		word = "trace"
	case l.Level < slog.LevelInfo:
		word = "debug"
	case l.Level < slog.LevelWarn:
		word = "info"
	case l.Level < slog.LevelError:
		word = "warn"
	}
	return word + ": " + l.Text
}

// Trap is why a guest ended before its time, and where it was.
type Trap struct{ Reason, Stack string }

// fieldsOf copies those of a header.
func fieldsOf(h *exchange.Header) (all []exchange.Field) {
	for name, value := range h.All() {
		all = append(all, exchange.Field{Name: name, Value: value})
	}
	return all
}

// framed adds to the fields of a message the one with which protocols say how long its
// body is, if that is known before.
func framed(fields []exchange.Field, length int64) []exchange.Field {
	if length < 0 {
		return fields
	}
	return append(fields, exchange.Field{Name: "content-length", Value: strconv.FormatInt(length, 10)})
}
