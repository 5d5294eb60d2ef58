package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/edge/exchange"
)

// Colours of a terminal (ECMA-48 §8.3.117).
const (
	plain  = "\x1b[0m"
	faint  = "\x1b[2m"
	green  = "\x1b[32m"
	cyan   = "\x1b[36m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	alarm  = "\x1b[1;31m"
)

// appendConsole makes columns of what has a bounded width, and puts the rest last.
// On a terminal the day is known; in a file it would be missed.
func (l *Log) appendConsole(b []byte, r *exchange.Request) []byte {
	rec := &r.Record
	b = l.paint(b, faint)
	if l.color {
		b = appendClock(b, rec.Start)
	} else {
		b = appendStamp(b, rec.Start, ' ')
	}
	b = l.paint(b, plain)
	b = l.paint(append(b, ' '), statusColour(rec.Status))
	b = appendDigits(b, rec.Status, 3)
	b = l.paint(b, plain)
	b = column(append(b, ' '), 7, false, func(b []byte) []byte { return appendText(b, dash(r.Method), escapeWord) })
	b = l.paint(b, faint)
	b = column(append(b, ' '), 6, true, func(b []byte) []byte { return appendDuration(b, rec.Took) })
	b = column(append(b, ' '), 6, true, func(b []byte) []byte { return appendSize(b, rec.Sent) })
	b = l.paint(b, plain)
	b = column(append(b, ' '), 15, false, func(b []byte) []byte { return l.appendClient(b, r, "-") })
	b = appendText(append(b, ' '), r.Host, escapeWord)
	b = l.appendURL(b, dash(r.Target), escapeWord)
	b = l.appendWay(b, rec)
	if rec.Err != nil || rec.Status >= 500 {
		b = l.appendTrouble(append(b, ' '), rec)
	}
	return append(b, '\n')
}

// appendWay says shortly where the answer came from: " > 10.0.0.1:9000 12.3ms x2 hit",
// " by waf blocked".
func (l *Log) appendWay(b []byte, rec *exchange.Record) []byte {
	if rec.Upstream == "" && rec.Cache == "" && rec.Plugin == "" {
		return b
	}
	b = l.paint(append(b, ' '), faint)
	if rec.Upstream != "" {
		b = appendText(append(b, "> "...), rec.Upstream, escapeWord)
		b = appendDuration(append(b, ' '), rec.Waited)
		if rec.Attempts > 1 {
			b = strconv.AppendInt(append(b, " x"...), int64(rec.Attempts), 10)
		}
	}
	if rec.Cache != "" {
		if rec.Upstream != "" {
			b = append(b, ' ')
		}
		b = appendText(b, rec.Cache, escapeText)
	}
	if rec.Plugin != "" {
		if rec.Upstream != "" || rec.Cache != "" {
			b = append(b, ' ')
		}
		b = appendText(append(b, "by "...), rec.Plugin, escapeWord)
		if rec.Details != "" {
			b = appendText(append(b, ' '), rec.Details, escapeWord)
		}
	}
	return l.paint(b, plain)
}

func (l *Log) appendTrouble(b []byte, rec *exchange.Record) []byte {
	b = append(l.paint(append(b, ' '), faint), "id="...)
	b = l.paint(append(b, rec.ID()...), plain)
	if rec.Err == nil {
		return b
	}
	b = l.paint(append(b, ' '), red)
	b = append(append(b, rec.Fault.String()...), ": "...)
	b = appendText(b, rec.Err.Error(), escapeText)
	return l.paint(b, plain)
}

func (l *Log) paint(b []byte, colour string) []byte {
	if l.color {
		b = append(b, colour...)
	}
	return b
}

func statusColour(status int) string {
	switch status / 100 {
	case 2:
		return green
	case 3:
		return cyan
	case 4:
		return yellow
	case 5:
		return alarm
	}
	return plain
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// column fills what write appends with spaces, after it or (right) before it.
func column(b []byte, width int, right bool, write func([]byte) []byte) []byte {
	from := len(b)
	b = write(b)
	for i := utf8.RuneCount(b[from:]); i < width; i++ {
		b = append(b, ' ')
		if right {
			copy(b[from+1:], b[from:len(b)-1])
			b[from] = ' '
		}
	}
	return b
}

// appendDuration appends d with three digits that count, and its unit.
func appendDuration(b []byte, d time.Duration) []byte {
	switch d = max(d, 0); {
	case d < time.Millisecond:
		return append(strconv.AppendInt(b, d.Microseconds(), 10), "µs"...)
	case d < time.Second:
		return append(appendThree(b, d.Microseconds()), "ms"...)
	case d < 1000*time.Second:
		return append(appendThree(b, d.Milliseconds()), 's')
	}
	return append(strconv.AppendInt(b, int64(d/time.Minute), 10), "min"...)
}

// appendSize appends n bytes with three digits that count, and their unit.
func appendSize(b []byte, n int64) []byte {
	if n < 1000 {
		return append(strconv.AppendInt(b, n, 10), 'B')
	}
	units := "kMGTPE"
	for ; n >= 1000*1000; n /= 1000 {
		units = units[1:]
	}
	return append(appendThree(b, n), units[0], 'B')
}

// appendThree appends n thousandths, 1000 ≤ n < 1000000, with three digits.
func appendThree(b []byte, n int64) []byte {
	b = strconv.AppendInt(b, n/1000, 10)
	switch {
	case n < 10_000:
		return appendDigits(append(b, '.'), int(n%1000/10), 2)
	case n < 100_000:
		return appendDigits(append(b, '.'), int(n%1000/100), 1)
	}
	return b
}
