package weir

import "io"

// Event is one of a stream of server-sent events (text/event-stream), as browsers read
// them and language models send them.
type Event struct {
	ID    string
	Event string // "" stands for message
	Data  string // lines with \n between them
	Retry string // milliseconds, as written; "" for none
}

// EventReader reads events from a body, however that is cut into pieces.
type EventReader struct {
	src   io.Reader
	buf   []byte
	at    int
	half  bool // what was read ends in \r, to which a \n belongs that follows
	begun bool // the first line was read
	err   error
	most  int
}

// mostEvent is how long an event may be.
const mostEvent = 1 << 20

// NewEventReader returns a reader of src.
func NewEventReader(src io.Reader) *EventReader { return &EventReader{src: src, most: mostEvent} }

// Next returns the next event, or waits for it. At the end it returns io.EOF; what was
// begun and not finished then is no event.
func (r *EventReader) Next() (Event, error) {
	var e Event
	var data []byte
	some := false
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if some {
				e.Data = string(data)
				return e, nil
			}
			continue
		}
		name, value := cut(string(line), ':')
		if value != "" && value[0] == ' ' {
			value = value[1:]
		}
		switch name {
		case "data":
			if data == nil {
				data = []byte{} // there is some, if it is empty
			} else {
				data = append(data, '\n')
			}
			data, some = append(data, value...), true
		case "event":
			e.Event, some = value, true
		case "id":
			e.ID, some = value, true
		case "retry":
			e.Retry, some = value, true
		}
		if len(data) > r.most {
			return Event{}, &Error{Op: "read event", Message: "it is too long"}
		}
	}
}

// line returns the next line, without its end: \n, \r or both.
func (r *EventReader) line() ([]byte, error) {
	for i := r.at; ; {
		for ; i < len(r.buf); i++ {
			c := r.buf[i]
			if c != '\n' && c != '\r' {
				continue
			}
			line, second := r.buf[r.at:i], c == '\n' && r.half && i == r.at
			r.at, r.half = i+1, c == '\r'
			if !second {
				return r.marked(line), nil
			}
		}
		if r.err != nil {
			return nil, r.err
		}
		if len(r.buf)-r.at > r.most {
			return nil, &Error{Op: "read event", Message: "it is too long"}
		}
		r.buf = append(r.buf[:0], r.buf[r.at:]...)
		r.at, i = 0, len(r.buf)
		r.buf = append(r.buf, make([]byte, 4096)...)
		n, err := r.src.Read(r.buf[i:])
		r.buf, r.err = r.buf[:i+n], err
	}
}

// marked takes the mark of UTF-8 from the first line, if it has one.
func (r *EventReader) marked(line []byte) []byte {
	const mark = "\ufeff"
	if !r.begun && len(line) >= len(mark) && string(line[:len(mark)]) == mark {
		line = line[len(mark):]
	}
	r.begun = true
	return line
}

// WriteEvent writes an event.
func (w *Writer) WriteEvent(e Event) error {
	_, err := w.Write(e.Append(nil))
	return err
}

// Append appends an event, as it goes over the wire, to b. Line ends in fields other
// than Data are left out.
func (e Event) Append(b []byte) []byte {
	field := func(name, value string) {
		if value == "" {
			return
		}
		b = append(append(b, name...), ": "...)
		for i := range len(value) {
			if c := value[i]; c != '\n' && c != '\r' {
				b = append(b, c)
			}
		}
		b = append(b, '\n')
	}
	field("event", e.Event)
	field("id", e.ID)
	field("retry", e.Retry)
	rest := e.Data
	for {
		i := 0
		for i < len(rest) && rest[i] != '\n' && rest[i] != '\r' {
			i++
		}
		b = append(append(append(b, "data: "...), rest[:i]...), '\n')
		if i == len(rest) {
			break
		}
		if rest[i] == '\r' && i+1 < len(rest) && rest[i+1] == '\n' {
			i++
		}
		rest = rest[i+1:]
	}
	return append(b, '\n')
}
