package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"sync"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/accesslog"
	"github.com/weirproxy/weir/edge/cache"
	"github.com/weirproxy/weir/edge/compress"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/metrics"
	"github.com/weirproxy/weir/edge/static"
	"github.com/weirproxy/weir/edge/upstream"
)

// world is what outlives configurations: certificates, counters, open logs, pools of
// upstreams, what is remembered of files and responses. Builds take from it; only the process's goroutine
// builds; logs, which snapshots give back when they retire, and what metrics read are
// locked.
type world struct {
	log     *slog.Logger
	dry     bool // only look: make no file, open no log
	metrics *metrics.Registry
	files   *static.Cache
	certs   *authorities
	// upstreams keeps the pools that a reload leaves as they are.
	upstreams *upstream.Upstreams
	// plugins keeps what outlives configurations of those.
	plugins *plugins
	// told is where proxies and caches say what they would do; nil: they do it.
	told *told

	redirects map[string]exchange.Handler
	builds    int                    // so far
	data      string                 // the data directory of the first configuration; "" if it has none
	first     *config.Config         // where it has its store, and no more of it; nil: none was built yet
	modules   map[string]fs.FileInfo // of the last build, as they were read

	mu          sync.Mutex // guards what follows
	compressors map[string]*sharedCompressor
	logs        map[string]*sharedLog
	store       *cache.Store // nil: nothing has been kept yet
	storedAs    string       // the settings it was opened by
	dropped     uint64       // lines of logs that are closed
}

// sharedCompressor is a filter that all sites of the same settings share, over
// reloads too: what it keeps compressed stays.
type sharedCompressor struct {
	*compress.Filter
	build int // the last one that asked for it
}

// forget drops the compressors that the configuration in force does not use.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.compressors, func(_ string, c *sharedCompressor) bool { return c.build != w.builds })
}

// sharedLog is one access log that several sites, and the old and the new snapshot
// during a reload, write to.
type sharedLog struct {
	*accesslog.Log
	users int
	file  string
	build int // the last one that asked for it
}

func newWorld(log *slog.Logger) *world {
	w := &world{
		log: log, certs: newAuthorities(log), metrics: metrics.New(metrics.Options{Version: version}),
		files:       static.NewCache(static.CacheOptions{}),
		compressors: map[string]*sharedCompressor{},
		redirects:   map[string]exchange.Handler{},
		logs:        map[string]*sharedLog{},
		plugins:     newPlugins(),
	}
	w.upstreams = upstream.New(upstream.Options{Log: log, Key: w.secret})
	return w
}

// dryWorld is for commands that look at a configuration. Run by root, they must not
// leave files behind that weir, run by another user, cannot open.
func dryWorld() *world {
	w := newWorld(quiet())
	w.dry, w.certs.dry = true, true
	return w
}

// watchServer lets the metrics ask the server for its counts.
func (w *world) watchServer(s *edge.Server) error {
	gauge := func(name, help string, kind metrics.Kind, value func() float64) error {
		return w.metrics.Register(metrics.Metric{Name: name, Help: help, Kind: kind}, func(emit metrics.Emit) { emit(value()) })
	}
	return errors.Join(
		w.watchUpstreams(), w.watchCache(), w.watchPlugins(), w.watchCertificates(),
		gauge("weir_connections", "Client connections open now.", metrics.Gauge, func() float64 { return float64(s.Stats().Connections) }),
		gauge("weir_connections_refused_total", "Client connections turned away by the limits.", metrics.Counter, func() float64 { return float64(s.Stats().Refused) }),
		gauge("weir_access_log_lines_dropped_total", "Lines of access logs that were left out because the file or terminal was too slow.", metrics.Counter, w.droppedLines),
		gauge("weir_compressors_active", "Responses that are being compressed now.", metrics.Gauge, w.activeCompressors),
		gauge("weir_tls_handshake_failures_total", "TLS handshakes over TCP that failed.", metrics.Counter, func() float64 { return float64(s.Stats().FailedHandshakes) }),
	)
}

// droppedLines is how many lines all logs have dropped, those that were closed included.
func (w *world) droppedLines() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.dropped
	for _, l := range w.logs {
		n += l.Dropped()
	}
	return float64(n)
}

func (w *world) activeCompressors() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := int64(0)
	for _, c := range w.compressors {
		n += c.Active()
	}
	return float64(n)
}

// openLog returns the access log that c describes, shared with whoever asks for the
// same, and what gives it back. It returns nil for "off".
func (w *world) openLog(c *config.Log) (exchange.Observer, func(), error) {
	format, out, color := c.Format, io.Writer(os.Stderr), isTerminal(os.Stderr)
	if c.Output == "stdout" {
		out, color = os.Stdout, isTerminal(os.Stdout)
	}
	file := ""
	if c.Output != "stdout" && c.Output != "stderr" {
		file, color = c.Output, false
	}
	switch format {
	case "off":
		return nil, func() {}, nil
	case "auto":
		if format = "json"; file == "" && isTerminal(out) {
			format = "console"
		}
	}
	if file != "" && w.dry {
		return nil, func() {}, checkLogFile(file)
	}
	key := fmt.Sprint(format, c.Output, c.Rotate.Size, c.Rotate.Keep, c.Rotate.Age, c.Rotate.Compress, c.Redact, c.MaskIP)
	w.mu.Lock()
	defer w.mu.Unlock()
	shared := w.logs[key]
	if shared == nil {
		if file != "" && w.writes(file, key) {
			return nil, nil, fmt.Errorf("log to %s: another site logs there in another way; two writers would mix their lines", file)
		}
		l, err := accesslog.New(accesslog.Options{
			Format: accesslog.Format(format), Writer: out, File: file, Color: color, MaskIP: c.MaskIP, Redact: c.Redact, Log: w.log,
			Rotate: accesslog.Rotate{Size: c.Rotate.Size, Keep: c.Rotate.Keep, Age: c.Rotate.Age, Compress: c.Rotate.Compress},
		})
		if err != nil {
			return nil, nil, err
		}
		shared = &sharedLog{Log: l, file: file}
		w.logs[key] = shared
	}
	shared.build = w.builds
	shared.users++
	end := func() { w.closeLog(key) }
	if c.Requests == "failed" {
		return failedOnly{shared.Log}, end, nil
	}
	return shared.Log, end, nil
}

// failedOnly tells an observer of the exchanges that went wrong on this side.
type failedOnly struct{ exchange.Observer }

// Observe implements exchange.Observer.
func (f failedOnly) Observe(r *exchange.Request) {
	if rec := &r.Record; rec.Status >= 500 || rec.Err != nil && rec.Fault != exchange.Client {
		f.Observer.Observe(r)
	}
}

// checkLogFile finds out what would keep a log from being opened, and opens none.
// Its directory need not be there: that is made at start.
func checkLogFile(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", file)
	}
	if err != nil {
		return fmt.Errorf("open access log: %w", err)
	}
	return nil
}

// writes tells whether a log with other settings has the same file. While a reload
// changes the settings of a file, the old snapshot's log counts as the same.
func (w *world) writes(file, key string) bool {
	for k, l := range w.logs {
		if k != key && l.file == file && l.build == w.builds {
			return true
		}
	}
	return false
}

func (w *world) closeLog(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	shared := w.logs[key]
	if shared.users--; shared.users > 0 {
		return
	}
	delete(w.logs, key)
	w.dropped += shared.Dropped()
	if err := shared.Close(); err != nil {
		w.log.Error("access log", "err", err)
	}
}

// reopen opens all log files anew, after they have been moved away.
func (w *world) reopen() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, l := range w.logs {
		errs = append(errs, l.Reopen())
	}
	return errors.Join(errs...)
}

func (w *world) close() {
	w.certs.close()
	w.plugins.close()
	if store := w.cacheStore(); store != nil {
		store.Close() // before what it asks for new responses
	}
	w.upstreams.Close()
}

// log is openLog for a builder.
func (b *builder) log(c *config.Log) exchange.Observer {
	o, end, err := b.world.openLog(c)
	if err != nil {
		b.fail(c.Pos, b.c.Pos, err)
		return nil
	}
	b.closers = append(b.closers, end)
	return o
}
