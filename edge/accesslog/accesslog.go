// Package accesslog writes one line per exchange: for people (console), for
// programs (JSON), or as log analysers have known it for thirty years (common and
// combined log format).
//
// Lines are made on the request's goroutine, without allocating, and handed over
// in memory; one goroutine per Log writes them, many at a time. A disk or terminal
// that stalls never stalls a request: lines that find no room are dropped, counted,
// and spoken of as soon as something can be said again.
//
// Whatever a client sent is escaped, so that a line is a line, a quote is a quote
// and a terminal is not steered (security P18). Credentials do not get in: no
// header fields but User-Agent and Referer are written, and query parameters whose
// names speak of secrets lose their values.
package accesslog

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Format is how a line looks.
type Format string

// The formats.
const (
	// Console is for people: columns, in colour if asked for.
	Console Format = "console"
	// JSON has one object per line, with the keys of log/slog's own (time, level,
	// msg) and of weir's logs: id, site, route, host, method, path (the request
	// target), proto, status, bytes and received (of bodies), dur (seconds),
	// client, ua, referer; where an upstream was asked upstream (the endpoint),
	// attempts, connect and waited (seconds, on connecting and until the answer began);
	// cache, where there is one; and where something went wrong fault and err.
	JSON Format = "json"
	// CLF is the common log format of the NCSA server.
	CLF Format = "clf"
	// Combined is CLF with Referer and User-Agent.
	Combined Format = "combined"
)

// Options say what is written where.
type Options struct {
	Format Format
	// Writer takes the lines, whole ones in every write. It stays open. It is
	// not used if File is set.
	Writer io.Writer
	// File is the path of a log file. It and its folder are made if need be.
	File   string
	Rotate Rotate
	Color  bool // for Console: Writer is a terminal that knows colours
	// MaskIP cuts clients' addresses down to their network: /24 of IPv4, /48 of IPv6.
	MaskIP bool
	// Redact names query parameters and header fields, on top of those built in,
	// whose values are not to be logged. Case, "-" and "_" make no difference.
	Redact []string
	// Log is told of lost lines and failed writes; nil: nobody is.
	Log *slog.Logger
}

// Log is an access log. It is safe for concurrent use.
type Log struct {
	format func(*Log, []byte, *exchange.Request) []byte
	color  bool
	mask   bool
	redact map[string]bool // normalised names
	noUA   bool
	noRef  bool
	lines  sync.Pool // of *[]byte
	queue  *queue
	closed sync.Once
	err    error // of Close
}

var _ exchange.Observer = (*Log)(nil)

// patience is how long Close and Reopen wait for a writer that stalls.
const patience = 5 * time.Second

// New opens a log. Whoever calls it calls Close.
func New(o Options) (*Log, error) {
	l := &Log{color: o.Color, mask: o.MaskIP, redact: make(map[string]bool)}
	linger := 50 * time.Millisecond
	switch o.Format {
	case Console:
		l.format, linger = (*Log).appendConsole, 0 // somebody is watching
	case JSON:
		l.format = (*Log).appendJSON
	case CLF:
		l.format = (*Log).appendCLF
	case Combined:
		l.format = (*Log).appendCombined
	default:
		return nil, fmt.Errorf("open access log: format %q: want console, json, clf or combined", o.Format)
	}
	for _, name := range o.Redact {
		l.redact[string(normalise(nil, name))] = true
	}
	l.noUA, l.noRef = l.redact["useragent"], l.redact["referer"]
	out, err := openSink(o)
	if err != nil {
		return nil, fmt.Errorf("open access log: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l.queue = newQueue(out, linger, o.Log)
	return l, nil
}

// Observe implements [exchange.Observer]: it logs a finished exchange. It never
// waits for the output.
func (l *Log) Observe(r *exchange.Request) {
	p, ok := l.lines.Get().(*[]byte)
	if !ok {
		p = new([]byte)
	}
	*p = l.format(l, (*p)[:0], r)
	l.queue.add(*p)
	l.lines.Put(p)
}

// Dropped returns how many lines were lost so far, because the output stalled or
// failed.
func (l *Log) Dropped() uint64 { return l.queue.dropped.Load() }

// Reopen opens the log file anew, after somebody has moved it away. If that
// fails, the old one stays in use. Without a file it does nothing.
func (l *Log) Reopen() error {
	if err := l.queue.reopenSink(); err != nil {
		return fmt.Errorf("reopen access log: %w", err)
	}
	return nil
}

// Close writes what is waiting and closes the file. It gives up, with an error,
// on an output that stalls for seconds. What is observed afterwards is dropped.
func (l *Log) Close() error {
	l.closed.Do(func() {
		if err := l.queue.close(); err != nil {
			l.err = fmt.Errorf("close access log: %w", err)
		}
	})
	return l.err
}
