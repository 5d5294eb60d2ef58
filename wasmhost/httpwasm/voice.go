package httpwasm

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/weirproxy/weir/wasmhost/guest"
)

// lineSize is how much of a line is logged, in bytes.
const lineSize = 4 << 10

// voice is what a guest says, kept to a number of lines a second.
type voice struct {
	plugin *guest.Plugin
	most   int // lines a second
	second int64
	count  int        // in that second
	said   guest.Said // for who wants to know why the guest has failed
}

// hears tells whether anybody listens at a level.
func (v *voice) hears(l slog.Level) bool {
	return v.plugin.Log != nil && v.plugin.Log.Enabled(context.Background(), l)
}

func (v *voice) say(l slog.Level, line string) {
	if line == "" {
		return
	}
	if v.said.Hear(line); !v.hears(l) {
		return
	}
	if now := time.Now().Unix(); now != v.second {
		v.second, v.count = now, 0
	}
	if v.count++; v.count > v.most {
		v.plugin.Counters.LogsLost.Add(1)
		return
	}
	v.plugin.Log.LogAttrs(context.Background(), l, "guest says",
		slog.String("plugin", v.plugin.Name), slog.String("text", strings.ToValidUTF8(line, "\uFFFD")))
}

// print logs what the guest writes to its standard output and error.
func (v *voice) print(line string) { v.say(slog.LevelInfo, line[:min(len(line), lineSize)]) }
