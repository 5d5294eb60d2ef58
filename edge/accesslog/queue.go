package accesslog

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxBatch   = 1 << 20          // bytes that wait at most; more is dropped
	hurryBatch = 32 << 10         // bytes that wait no longer
	keepBatch  = 256 << 10        // memory that is kept for the next batch
	quiet      = 10 * time.Second // between two notices about the same trouble
)

var (
	errStalled = errors.New("output stalls")
	errClosed  = errors.New("log is closed")
)

// queue hands lines from many goroutines to one that writes them. Lines are copied
// behind one another into a batch, so that handing over is a lock and a copy, and a
// busy server makes one system call for hundreds of lines.
type queue struct {
	sink    *sink
	linger  time.Duration // how long a line may wait for others
	log     *slog.Logger
	dropped atomic.Uint64

	mu    sync.Mutex // guards what follows
	batch []byte
	over  bool

	some   chan struct{} // the batch is not empty
	enough chan struct{} // the batch need not wait for more
	reopen chan chan error
	stop   chan struct{} // closed by close
	done   chan struct{} // closed by the writer when all is written
	err    error         // of closing the sink; valid after done

	// The writer's own:
	spare    []byte
	failing  bool // the last write failed
	reported uint64
	notice   time.Time // when lost lines were last spoken of
}

func newQueue(s *sink, linger time.Duration, log *slog.Logger) *queue {
	q := &queue{
		sink: s, linger: linger, log: log,
		some: make(chan struct{}, 1), enough: make(chan struct{}, 1),
		reopen: make(chan chan error), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run()
	return q
}

func (q *queue) add(line []byte) {
	q.mu.Lock()
	before := len(q.batch)
	after := before + len(line)
	if q.over || after > maxBatch {
		q.mu.Unlock()
		q.dropped.Add(1)
		return
	}
	q.batch = append(q.batch, line...)
	q.mu.Unlock()
	if before == 0 {
		signal(q.some)
	}
	if before < hurryBatch && after >= hurryBatch {
		signal(q.enough)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run is the writer.
func (q *queue) run() {
	defer close(q.done)
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	for {
		select {
		case <-q.some:
		case reply := <-q.reopen:
			reply <- q.sink.reopen()
			continue
		case <-q.stop:
			q.write(q.take())
			q.report(true)
			q.err = q.sink.close()
			return
		}
		if q.linger > 0 {
			linger.Reset(q.linger)
			select {
			case <-linger.C:
			case <-q.enough:
			case <-q.stop:
			}
		}
		q.write(q.take())
		q.report(false)
	}
}

// take returns the batch and begins a new one.
func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.batch
	q.batch, q.spare = q.spare[:0], nil
	select {
	case <-q.enough: // was meant for this batch
	default:
	}
	return full
}

func (q *queue) write(batch []byte) {
	if len(batch) > 0 {
		err := q.sink.write(batch)
		if err != nil {
			q.dropped.Add(uint64(bytes.Count(batch, []byte{'\n'})))
		}
		if err != nil && !q.failing {
			q.log.Error("write access log", "err", err)
		}
		q.failing = err != nil
	}
	if cap(batch) <= keepBatch {
		q.spare = batch[:0]
	}
}

// report tells of lines that were lost, now and then, and at last.
func (q *queue) report(last bool) {
	lost := q.dropped.Load()
	if lost == q.reported || !last && !q.notice.IsZero() && time.Since(q.notice) < quiet {
		return
	}
	q.log.Warn("access log lines lost", "lines", lost-q.reported, "total", lost)
	q.reported, q.notice = lost, time.Now()
}

func (q *queue) reopenSink() error {
	late := time.NewTimer(patience)
	defer late.Stop()
	reply := make(chan error, 1)
	select {
	case q.reopen <- reply:
	case <-q.done:
		return errClosed
	case <-late.C:
		return errStalled
	}
	return <-reply
}

func (q *queue) close() error {
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	close(q.stop)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-q.done:
		return q.err
	case <-late.C:
		return errStalled
	}
}
