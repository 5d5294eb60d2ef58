package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// screen is what weir dev says. As a handler of log/slog it says what guests log, and
// why they fail; of weir's own log, what is wrong.
type screen struct {
	*paper
	facts []slog.Attr
}

// indent is what goes before the lines of a stack: they stand where texts begin.
var indent = "\n" + strings.Repeat(" ", len(stampFormat)+len(" error   "))

// paper is where lines go, one after the other.
type paper struct {
	mu      sync.Mutex
	w       io.Writer // guarded by mu
	colour  bool
	verbose bool
	here    string // the directory, which names of files are shown without
	trace   trace  // guarded by mu
}

func newScreen(w io.Writer, colour, verbose bool) *screen {
	here, err := os.Getwd()
	if err != nil || here == "/" {
		here = "\x00"
	}
	return &screen{paper: &paper{w: w, colour: colour, verbose: verbose, here: here + "/"}}
}

// A mood is the colour of a line's first word.
type mood string

const (
	plainly mood = ""
	calm    mood = "\x1b[2m"
	good    mood = "\x1b[32m"
	careful mood = "\x1b[33m"
	bad     mood = "\x1b[1;31m"
	speech  mood = "\x1b[36m"
)

func (s *screen) paint(m mood, text string) string {
	if !s.colour || m == plainly {
		return text
	}
	return string(m) + text + "\x1b[0m"
}

func (s *screen) strong(text string) string { return s.paint("\x1b[1m", text) }
func (s *screen) link(text string) string   { return s.paint("\x1b[4;36m", text) }

// stampFormat is that of the access log on a terminal, in whose columns lines stand.
const stampFormat = "15:04:05.000"

// say prints one line.
func (s *screen) say(m mood, word, text string) {
	s.write(fmt.Sprintf("%s %s %s\n", s.paint(calm, time.Now().Format(stampFormat)), s.paint(m, fmt.Sprintf("%-7s", word)), text))
}

// block prints what somebody else has made lines of.
func (s *screen) block(text string) {
	if text = strings.Trim(text, "\n"); text != "" {
		s.write("\n" + text + "\n\n")
	}
}

func (s *screen) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	io.WriteString(s.w, text)
}

// Enabled implements slog.Handler.
func (s *screen) Enabled(_ context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || s.verbose
}

// WithAttrs implements slog.Handler.
func (s *screen) WithAttrs(more []slog.Attr) slog.Handler {
	return &screen{s.paper, append(s.facts[:len(s.facts):len(s.facts)], more...)}
}

// WithGroup implements slog.Handler. There are none in weir's log.
func (s *screen) WithGroup(string) slog.Handler { return s }

// Handle implements slog.Handler.
func (s *screen) Handle(_ context.Context, r slog.Record) error {
	facts := map[string]string{}
	var rest strings.Builder
	note := func(a slog.Attr) bool {
		value := printable(a.Value.String())
		facts[a.Key] = value
		if a.Key != "plugin" {
			fmt.Fprintf(&rest, " %s=%q", a.Key, value)
		}
		return true
	}
	for _, a := range s.facts {
		note(a)
	}
	r.Attrs(note)
	word := strings.ToLower(r.Level.String())
	switch {
	case r.Message == "guest says":
		s.speech(r.Level, word, facts["text"])
	case r.Message == "guest failed":
		s.mu.Lock()
		s.trace = trace{}
		s.mu.Unlock()
		s.say(bad, "failed", facts["err"]+s.stack(facts["stack"]))
	case r.Level >= slog.LevelWarn || s.verbose:
		s.say(moodOf(r.Level), word, r.Message+s.paint(calm, rest.String()))
	}
	return nil
}

// speech shows what the guest has said.
func (s *screen) speech(l slog.Level, word, text string) {
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		s.mu.Lock()
		of := s.trace.hear(line)
		s.mu.Unlock()
		switch {
		case of == noFrame && i == 0:
			s.say(moodOf(l), word, line)
		case of == noFrame:
			s.write(s.frame(line, authors)[1:] + "\n")
		case of == authors || s.verbose:
			s.write(s.frame(line, of)[1:] + "\n")
		}
	}
}

func moodOf(l slog.Level) mood {
	switch {
	case l >= slog.LevelError:
		return bad
	case l >= slog.LevelWarn:
		return careful
	case l >= slog.LevelInfo:
		return speech
	}
	return calm
}

// stack shows the author's functions of a stack; with -v, all of them.
func (s *screen) stack(text string) string {
	text, _, _ = strings.Cut(text, "printed:\n") // that has been seen
	if !s.verbose {
		text = stackInShort(text)
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = demangled(strings.TrimRight(line, "\n"))
		of := authors
		if isForeign(line) {
			of = foreign
		}
		b.WriteString(s.frame(line, of))
	}
	return b.String()
}

func (s *screen) frame(line string, of owner) string {
	line = strings.ReplaceAll(strings.ReplaceAll(line, s.here, ""), "\t", "  ")
	if of == foreign {
		line = s.paint(calm, line)
	}
	return indent + line
}
