package weir

import (
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Writer takes the bytes of a body that is being made: by a transform, or by a filter
// that answers. It implements io.Writer. Writing an answer waits where nobody takes what is
// written. What a transform writes goes on when it waits for more of the body, or is done,
// all at once: that may be no more than the plugin's limits.body.
type Writer struct {
	s      *stream
	side   *side   // of a transform; nil: of an answer
	tasks  []*task // that wait for room
	full   bool    // the host has enough for now
	gone   bool    // nobody takes the rest
	closed bool

	// Where an answer cannot be streamed it is kept until it is complete.
	plain *Response
}

// Respond begins an answer, which is then written to the Writer, and sent as it is
// written; the filter returns nil, nil when it is done. On hosts other than weir it is
// sent when it is complete.
//
// Without a content-length among the fields its length is open, and with one it has to
// be that long. The request's body may be read meanwhile.
func (r *Request) Respond(status int, fields ...Field) (*Writer, error) {
	s := r.s
	switch {
	case !s.active():
		return nil, ErrGone
	case s.replied || s.writer != nil || s.returned || s.asked && s.resp.s == nil:
		return nil, &Error{Op: "answer request", Message: "it was answered, or has gone on"}
	}
	w := &Writer{s: s}
	if !s.g.onWeir() {
		w.plain = Reply(status, "", fields...)
	} else {
		b := ext.Append(ext.AppendUint(nil, uint64(status)), pairsOf(fields))
		if _, st := host.Foreign(ext.ReplyStart, b); st != abi.OK {
			return nil, refused("answer request", st)
		}
		s.replied = true
	}
	s.writer = w
	return w, nil
}

// Write implements io.Writer. An error says that the client has gone, or that the answer
// was closed.
func (w *Writer) Write(p []byte) (int, error) {
	switch {
	case w.closed || w.gone || !w.s.active():
		return 0, ErrGone
	case w.side != nil:
		if w.side.made == nil {
			w.side.made = w.s.g.room()
		}
		w.side.made = append(w.side.made, p...)
		return len(p), nil
	case w.plain != nil:
		w.plain.body = append(w.plain.body, p...)
		return len(p), nil
	}
	for n := 0; n < len(p); {
		part := p[n:min(len(p), n+mostChunk)]
		if err := w.write(part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return len(p), nil
}

// WriteString is Write of a text.
func (w *Writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (w *Writer) write(p []byte) error {
	g := w.s.g
	g.argument = ext.Append(g.argument[:0], p)
	b, st := host.Foreign(ext.ReplyWrite, g.argument)
	if st != abi.OK {
		w.gone = true
		return refused("write answer", st)
	}
	f := ext.Read(b)
	w.full = f.Uint() == 0
	for w.full {
		t := w.s.g.current
		w.tasks = append(w.tasks, t)
		alive := t.wait()
		w.tasks = without(w.tasks, t)
		if !alive {
			w.gone = true
		}
		if w.gone {
			return ErrGone
		}
	}
	return nil
}

// without takes t from all.
func without(all []*task, t *task) []*task {
	for i, other := range all {
		if other == t {
			return append(all[:i], all[i+1:]...)
		}
	}
	return all
}

// Close ends an answer, with trailers if there are any. It need not be called: an answer
// ends when the filter returns.
func (w *Writer) Close(trailers ...Field) error {
	if w.closed || w.side != nil {
		return nil
	}
	w.closed = true
	if w.plain != nil {
		w.s.reply(w.plain)
		return nil
	}
	_, st := host.Foreign(ext.ReplyEnd, ext.Append(nil, pairsOf(trailers)))
	return refusedNil("end answer", st)
}

// abort cuts an answer that has begun.
func (w *Writer) abort() {
	w.closed = true
	if w.plain != nil {
		w.s.reply(Reply(500, ""))
		return
	}
	host.Close(abi.Response)
}
