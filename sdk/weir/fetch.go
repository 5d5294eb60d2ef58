package weir

import (
	"io"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Call is a request of the filter's own.
type Call struct {
	Method    string // "": GET, or POST with a body
	Path      string // with query; "": "/"
	Authority string // "": the upstream's own
	Header    []Field
	Body      []byte
	Timeout   time.Duration // for all of it; 0: the host's
}

// Answer is what an upstream says. Its body need not be read to the end; what is left of
// it is given up with the request.
type Answer struct {
	Status  int
	Header  Header
	Trailer Header // complete when the body has ended
	Body    *Body

	op    string
	l     *late
	more  bool // there is more of the body than has come
	asked bool // for a piece, and somebody waits for that
}

// Fetch calls an upstream: on weir one that the plugin is granted, by its name or URL;
// elsewhere a cluster. It waits for the head of the answer, and the request's stream with
// it; others go on. A call that fails, or takes too long, is an error; a status never is.
// Envoy answers a call that takes too long with 504.
//
// On weir the body comes as it is read, and may be of any length; elsewhere it has come
// whole.
func Fetch(upstream string, c *Call) (*Answer, error) {
	op := "fetch " + upstream
	g := inside
	if g == nil || g.current == nil {
		return nil, &Error{Op: op, kind: ErrNoRequest}
	}
	if c == nil {
		c = &Call{}
	}
	method, path := c.Method, c.Path
	if method == "" {
		method = "GET"
		if len(c.Body) > 0 {
			method = "POST"
		}
	}
	if path == "" {
		path = "/"
	}
	if c.Timeout < 0 {
		return nil, &Error{Op: op, Status: abi.BadArgument, Message: "its time is over"}
	}
	if name, ok := c.sendable(method, path); !ok {
		return nil, &Error{Op: op, Status: abi.BadArgument, Message: "its " + name + " could not be sent"}
	}
	head := pairsOf(c.Header, Field{":method", method}, Field{":path", path}, Field{":authority", c.Authority})
	if !g.onWeir() {
		return g.call(op, upstream, head, c)
	}
	b := ext.Append(ext.Append(ext.Append(nil, upstream), head), c.Body)
	l, err := g.ask(op, ext.Fetch, ext.AppendUint(b, milliseconds(c.Timeout)))
	if err != nil {
		return nil, err
	}
	f, err := l.await(op)
	if err != nil {
		l.forget()
		return nil, err
	}
	a := &Answer{op: op, l: l}
	a.head(f.Bytes())
	a.Body.rest = f.Bytes()
	switch a.more = f.Uint() == 1; {
	case !a.more:
		l.forget()
		a.end(f.Bytes())
	case l.t.s != nil:
		l.t.s.answers = opened(l.t.s.answers, a)
	default:
		l.t.answers = opened(l.t.answers, a)
	}
	return a, nil
}

// sendable tells whether a call could be sent, or what of it could not.
func (c *Call) sendable(method, path string) (name string, ok bool) {
	switch {
	case !isToken(method):
		return "method", false
	case !isWord(path):
		return "path", false
	case !isWord(c.Authority):
		return "authority", false
	}
	for _, f := range c.Header {
		if !isToken(f.Name) || !isValue(f.Value) {
			return "field " + printable(f.Name), false
		}
	}
	return "", true
}

// opened returns the answers that are still to be read, and a.
func opened(all []*Answer, a *Answer) []*Answer {
	kept := all[:0]
	for _, b := range all {
		if b.more {
			kept = append(kept, b)
		}
	}
	return append(kept, a)
}

func closeAll(all []*Answer) {
	for _, a := range all {
		a.Close()
	}
}

func (a *Answer) head(pairs []byte) {
	fields, status := fieldsOf(pairs)
	a.Status = status
	a.Header.local = &localHeader{fields: fields}
	a.Trailer.local = &localHeader{}
	a.Body = &Body{answer: a}
}

func (a *Answer) end(trailers []byte) {
	a.Trailer.local.fields, _ = fieldsOf(trailers)
}

// chunk is Body.Chunk.
func (a *Answer) chunk() ([]byte, error) {
	if !a.more {
		a.Body.err = io.EOF
		return nil, io.EOF
	}
	l := a.l
	t := l.t.g.current
	switch {
	case l.t.gone || t == nil || t.s != l.t.s:
		return nil, ErrGone
	case a.asked:
		return nil, &Error{Op: a.op, Message: "somebody else reads it"}
	}
	l.t, a.asked = t, true // a transform may read what the filter has asked for
	c, err := a.next()
	a.asked = false
	if err != nil {
		a.more = false
		if a.Body.err = err; err != io.EOF {
			l.forget()
		}
	}
	return c, err
}

// next asks for the next piece.
func (a *Answer) next() ([]byte, error) {
	if _, st := host.Foreign(ext.FetchRead, ext.AppendUint(nil, uint64(a.l.token))); st != abi.OK {
		return nil, refused(a.op, st)
	}
	f, err := a.l.await(a.op)
	switch {
	case !a.more: // it was closed meanwhile
		return nil, ErrGone
	case err != nil:
		return nil, err
	case a.l.st == abi.Empty:
		a.l.forget()
		a.end(f.Bytes())
		return nil, io.EOF
	}
	return f.Bytes(), nil
}

// Close gives up the rest of the answer. It need not be called for one that was read to
// its end.
func (a *Answer) Close() {
	if a.more {
		a.more = false
		a.Body.err = ErrGone
		a.l.cancel()
		if t := a.l.t; a.asked && t != t.g.current { // who waits for more of it need not
			a.l.there = true
			t.run()
			if t.s != nil {
				t.s.settle()
			}
		}
	}
}

// call is Fetch on a host that is not weir.
func (g *guest) call(op, upstream string, head []byte, c *Call) (*Answer, error) {
	t := g.current
	if t.gone {
		return nil, ErrGone
	}
	token, st := host.Call(upstream, head, c.Body, nil, uint32(min(milliseconds(c.Timeout), 1<<31)))
	if st != abi.OK {
		return nil, failed(op, st)
	}
	l := &late{t: t, token: token}
	g.calls[token] = l
	for !l.there {
		if !t.wait() {
			delete(g.calls, token)
			return nil, ErrGone
		}
	}
	f := ext.Read(l.fields)
	if l.st != abi.OK {
		return nil, &Error{Op: op, Status: l.st, Message: f.Text()}
	}
	a := &Answer{op: op}
	a.head(f.Bytes())
	a.Body.rest = f.Bytes()
	a.end(f.Bytes())
	return a, nil
}

// OnCallResponse implements host.Guest.
func (g *guest) OnCallResponse(_, token uint32, fields, size, trailers int) {
	g.enter()
	defer g.leave()
	l := g.calls[token]
	if l == nil {
		return
	}
	delete(g.calls, token)
	l.there = true
	if fields == 0 {
		l.st = abi.BrokenConnection
		_, message := host.Status()
		l.fields = ext.Append(nil, message)
	} else {
		head, _ := host.Pairs(abi.CallResponseHeaders)
		var body, end []byte
		if size > 0 {
			body, _ = host.Buffer(abi.CallResponseBody, 0, size)
		}
		if trailers > 0 {
			end, _ = host.Pairs(abi.CallResponseTrailers)
		}
		l.fields = ext.Append(ext.Append(ext.Append(nil, head), body), end)
	}
	g.wake(l.t)
}
