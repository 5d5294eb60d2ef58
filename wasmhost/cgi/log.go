package cgi

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// say logs what a run has to say, so many lines a second of all runs together.
func (g *Guests) say(n *run, level slog.Level, text string) {
	g.mu.Lock()
	if now := time.Now().Unix(); now != g.second {
		g.second, g.said = now, 0
	}
	g.said++
	lost := g.said > g.limits.Logs
	g.mu.Unlock()
	if lost {
		g.plugin.Counters.LogsLost.Add(1)
		return
	}
	g.plugin.Log.Log(context.Background(), level, "program says",
		"plugin", g.plugin.Name, "id", n.req.Record.ID(), "text", strings.ToValidUTF8(text, "\uFFFD"))
}
