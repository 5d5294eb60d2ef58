package proxywasm

import (
	"context"
	"log/slog"
	"strings"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// levels are slog's for the ABI's: trace lies below debug. Critical is an error: logs
// have no word above.
var levels = [...]slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError}

// lineLimit is how much of one line is logged.
const lineLimit = 8 << 10

// logLines are what a guest logged lately, for errors to tell, and how much.
type logLines struct {
	said   guest.Said
	second int64
	count  int
}

// say logs a line of the guest's. It is called with the instance held.
func (i *instance) say(level slog.Level, text string) {
	l := &i.lines
	p := i.plugin
	if now := time.Now().Unix(); now != l.second {
		l.second, l.count = now, 0
	}
	if l.count++; l.count > p.Limits.WithDefaults().Logs {
		p.Counters.LogsLost.Add(1)
		return
	}
	text = strings.TrimSuffix(text, "\n")
	if level >= slog.LevelInfo {
		l.said.Hear(text)
	}
	ctx := context.Background()
	if !p.Log.Enabled(ctx, level) {
		return
	}
	facts := [3]slog.Attr{slog.String("plugin", p.Name), slog.String("text", text)}
	n := 2
	if c := i.effective; c != nil && c.stream != nil {
		facts[n] = slog.String("id", c.stream.r.Record.ID())
		n++
	}
	p.Log.LogAttrs(ctx, level, "guest says", facts[:n]...)
}

// complain logs what a guest did that had no effect.
func (i *instance) complain(what string) { i.say(slog.LevelWarn, "weir: "+what) }

// proxyLog takes level, text and its size.
func proxyLog(i *instance, a []uint64) abi.Status {
	level := u32(a[0])
	if level >= uint32(len(levels)) {
		return abi.BadArgument
	}
	text, ok := i.vm.Read(u32(a[1]), u32(a[2]))
	if !ok {
		return abi.InvalidMemoryAccess
	}
	i.say(levels[level], string(text[:min(len(text), lineLimit)]))
	return abi.OK
}

// printed takes what a guest prints, line by line.
func (i *instance) printed(level slog.Level) *vm.Lines {
	return vm.NewLines(func(line string) {
		now := i
		if i.lone != nil && i.vm != nil {
			now = i.vm.State.(*instance) // who has the guest now
		}
		now.say(level, line)
	})
}
