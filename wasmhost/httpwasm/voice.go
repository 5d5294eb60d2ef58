package httpwasm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weirproxy/weir/wasmhost/guest"
)

// lineSize is how much of a line is logged.
const lineSize = 4 << 10

// voice is what a guest says, kept to a number of lines a second.
type voice struct {
	plugin *guest.Plugin
	most   int // lines a second
	second int64
	said   int    // in that second
	last   string // line, for who wants to know why the guest has failed
}

// hears tells whether anybody listens at a level.
func (v *voice) hears(l slog.Level) bool {
	return v.plugin.Log != nil && v.plugin.Log.Enabled(context.Background(), l)
}

func (v *voice) say(l slog.Level, line []byte) {
	if len(line) > lineSize {
		line = line[:lineSize]
	}
	if !v.hears(l) {
		return
	}
	if now := time.Now().Unix(); now != v.second {
		v.second, v.said = now, 0
	}
	if v.said++; v.said > v.most {
		v.plugin.Counters.LogsLost.Add(1)
		return
	}
	v.last = strings.ToValidUTF8(string(line), "\uFFFD")
	v.plugin.Log.LogAttrs(context.Background(), l, "guest says",
		slog.String("plugin", v.plugin.Name), slog.String("line", v.last))
}

// explain adds what the guest said last to the error that it ended with.
func (v *voice) explain(err error) error {
	if v.last == "" {
		return err
	}
	return fmt.Errorf("%w; its last line was %q", err, v.last)
}

// printed is a guest's standard output or error, cut into lines.
type printed struct {
	voice *voice
	rest  []byte // of a line that has not ended yet
}

// Write implements io.Writer. It never fails: what nobody wants to read is dropped.
func (p *printed) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		if room := lineSize - len(p.rest); room > 0 {
			p.rest = append(p.rest, line[:min(len(line), room)]...)
		}
		if !ended {
			return n, nil
		}
		if line := bytes.TrimRight(p.rest, "\r"); len(line) > 0 {
			p.voice.say(slog.LevelInfo, line)
		}
		p.rest, b = p.rest[:0], rest
	}
}
