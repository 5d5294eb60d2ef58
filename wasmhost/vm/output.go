package vm

import (
	"bytes"
	"io"
)

// output is the guest's stdout or stderr: it pays for what it writes.
type output struct {
	i  *Instance
	to io.Writer // nil: nobody
	as *printed  // nil: nobody asks
}

var newline = []byte("\n")

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	// Whoever takes what is printed takes it line by line.
	o.i.Charge(int64(hostCall + len(p)/bytesPerUnit + hostCall*bytes.Count(p, newline)))
	if o.as != nil {
		o.as.keep(p)
	}
	if o.to == nil {
		return len(p), nil
	}
	return o.to.Write(p)
}

// input is the guest's stdin: it pays for what it reads.
type input struct {
	i    *Instance
	from io.Reader
}

// Read implements io.Reader.
func (r *input) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.i.Charge(int64(hostCall + n/bytesPerUnit))
	return n, err
}

// printed keeps the beginning and the end of what a guest prints during one call: what it
// died of, where it says so. Go's runtime says it first, and goes on for long.
type printed struct {
	first, last []byte
	lost        bool // there was more between them
}

func (t *printed) keep(p []byte) {
	const most = 1 << 10 // of each
	n := min(len(p), most-len(t.first))
	t.first, p = append(t.first, p[:n]...), p[n:]
	if n := len(t.last) + len(p) - most; n > 0 {
		t.lost = true
		old := min(n, len(t.last))
		t.last, p = append(t.last[:0], t.last[old:]...), p[n-old:]
	}
	t.last = append(t.last, p...)
}

func (t *printed) forget() { t.first, t.last, t.lost = t.first[:0], t.last[:0], false }

// String implements fmt.Stringer.
func (t *printed) String() string {
	if t.lost {
		return string(t.first) + "\n…\n" + string(t.last)
	}
	return string(t.first) + string(t.last)
}

// Lines is a writer that gives what guests print to a log, line by line.
type Lines struct {
	each func(line string)
	part []byte
	skip bool // the rest of a line that was too long
}

// maxLine is where a line is cut.
const maxLine = 8 << 10

// NewLines returns a writer that calls each for every line, without its end; what a line
// has beyond 8 KiB is left out.
func NewLines(each func(line string)) *Lines { return &Lines{each: each} }

// Write implements io.Writer. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, newline)
		if !l.skip {
			l.part = append(l.part, line[:min(len(line), maxLine-len(l.part))]...)
			l.skip = len(l.part) == maxLine
		}
		if p = rest; ended {
			l.Flush()
		}
	}
	return n, nil
}

// Flush ends a line that has begun.
func (l *Lines) Flush() {
	if len(l.part) > 0 {
		l.each(string(bytes.TrimSuffix(l.part, []byte("\r"))))
	}
	l.part, l.skip = l.part[:0], false
}
