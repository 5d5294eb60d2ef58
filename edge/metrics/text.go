package metrics

import (
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteTo implements [io.WriterTo]: it writes all metrics in the text exposition
// format, version 0.0.4. It holds no lock while it writes or collects.
func (g *Registry) WriteTo(w io.Writer) (int64, error) {
	g.mu.Lock()
	families := slices.Clone(g.families)
	g.mu.Unlock()
	t := &text{w: w, b: make([]byte, 0, 2*chunk)}
	for i := range families {
		t.family(&families[i])
		if t.err != nil {
			break
		}
	}
	t.flush()
	return t.n, t.err
}

// chunk is how much is written at a time.
const chunk = 16 << 10

// text writes samples: begin, any number of labels, and one value. After an error
// it does nothing.
type text struct {
	w       io.Writer
	b       []byte
	labeled bool
	n       int64
	err     error
}

func (t *text) family(f *family) {
	t.b = append(append(append(t.b, "# HELP "...), f.Name...), ' ')
	t.b = escape(t.b, f.Help, false)
	t.b = append(append(append(t.b, "\n# TYPE "...), f.Name...), ' ')
	t.b = append(append(t.b, f.Kind...), '\n')
	f.write(t)
}

func (t *text) begin(name string) {
	t.b = append(t.b, name...)
	t.labeled = false
}

func (t *text) label(name, value string) {
	separator := byte('{')
	if t.labeled {
		separator = ','
	}
	t.labeled = true
	t.b = append(append(append(t.b, separator), name...), `="`...)
	t.b = append(escape(t.b, value, true), '"')
}

func (t *text) float(v float64) {
	t.value()
	t.b = strconv.AppendFloat(t.b, v, 'g', -1, 64)
	t.end()
}

func (t *text) uint(v uint64) {
	t.value()
	t.b = strconv.AppendUint(t.b, v, 10)
	t.end()
}

func (t *text) value() {
	if t.labeled {
		t.b = append(t.b, '}')
	}
	t.b = append(t.b, ' ')
}

func (t *text) end() {
	if t.b = append(t.b, '\n'); len(t.b) >= chunk {
		t.flush()
	}
}

func (t *text) flush() {
	if t.err == nil && len(t.b) > 0 {
		var n int
		n, t.err = t.w.Write(t.b)
		t.n += int64(n)
	}
	t.b = t.b[:0]
}

// escape appends a help text or a label's value.
func escape(b []byte, s string, quoted bool) []byte {
	s = strings.ToValidUTF8(s, "\ufffd")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\\' || c == '"' && quoted:
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}
