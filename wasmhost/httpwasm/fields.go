package httpwasm

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

var (
	errKind    = errors.New("unknown kind")
	errNoName  = errors.New("the name is empty")
	errFields  = errors.New("there are as many fields as a guest may write")
	errTrailer = errors.New("that field may not stand in a trailer")
)

// fields returns the fields of a kind. The guest pays for their being looked through.
func (i *instance) fields(what string, kind uint64) *exchange.Header {
	x := i.visit(what)
	var h *exchange.Header
	switch abi.HeaderKind(u32(kind)) {
	case abi.RequestHeader:
		h = &x.r.Header
	case abi.ResponseHeader:
		if h = &x.header; x.resp != nil {
			h = &x.resp.Header
		}
	case abi.RequestTrailers:
		if h = x.asked.trailer; x.after && !x.asked.ended && x.asked.length != 0 {
			h = &x.none // somebody may be reading the body still, and write there
		}
	case abi.ResponseTrailers:
		h = x.answer.trailer
	default:
		i.refuse(what, errKind)
	}
	i.vm.Charge(int64(h.Len()))
	return h
}

// told tells whether a field of this kind is not read from the header, but from what it
// is about: host, and the length of a body.
func told(kind abi.HeaderKind, name string) bool {
	return name == "content-length" && kind <= abi.ResponseHeader || name == "host" && kind == abi.RequestHeader
}

// tell returns the value of a field of which told is true.
func (x *visit) tell(kind abi.HeaderKind, name string) (value string, ok bool) {
	if name == "host" {
		return x.r.Authority, x.r.Authority != ""
	}
	h, c := &x.r.Header, &x.asked
	if kind == abi.ResponseHeader {
		if h, c = &x.header, &x.answer; x.resp != nil {
			h = &x.resp.Header
		}
		status := x.status
		if x.resp != nil {
			status = x.resp.Status
		}
		if value, ok := h.Lookup(name); ok && bodiless(x.method, status) {
			return value, true
		}
	}
	n := c.length
	if c.wrote {
		n = int64(len(c.written))
	}
	if n < 0 || n == 0 && !c.wrote && !h.Has(name) {
		return "", false
	}
	return strconv.FormatInt(n, 10), true
}

// list collects what is going to be written. It is the instance's scratch memory.
func (i *instance) add(s string) { i.list = append(i.list, s) }

// giveList writes the list, a NUL behind each, where the guest has room for limit bytes,
// if that is enough.
func (i *instance) giveList(what string, p, limit uint64) uint64 {
	count, size := len(i.list), 0
	for _, s := range i.list {
		size += len(s) + 1
	}
	if size > 0 && uint64(size) <= uint64(u32(limit)) {
		to := i.read(what, p, uint64(size))
		for _, s := range i.list {
			n := copy(to, s)
			to[n] = 0
			to = to[n+1:]
		}
	}
	clear(i.list)
	i.list = i.list[:0]
	return abi.CountLen(count, size)
}

// getHeaderNames: kind, buf, limit -> count_len.
func getHeaderNames(i *instance, a []uint64) {
	kind, h := abi.HeaderKind(u32(a[0])), i.fields("get_header_names", a[0])
	if kind == abi.RequestHeader && i.x.r.Authority != "" {
		i.add("host")
	}
fields:
	for n := range h.Len() {
		name := h.At(n).Name
		if told(kind, name) {
			continue
		}
		for k := range n {
			if h.At(k).Name == name {
				continue fields
			}
		}
		i.add(name)
	}
	if kind <= abi.ResponseHeader {
		if _, ok := i.x.tell(kind, "content-length"); ok {
			i.add("content-length")
		}
	}
	a[0] = i.giveList("get_header_names", a[1], a[2])
}

// name returns the name of a field that the guest gives, in lower case.
func (i *instance) name(what string, p, n uint64) string {
	b := i.read(what, p, n)
	if len(b) == 0 {
		i.refuse(what, errNoName)
	}
	i.vm.Charge(int64(len(b)) / 4) // each byte is looked at
	return i.words.name(b)
}

// getHeaderValues: kind, name, buf, limit -> count_len.
func getHeaderValues(i *instance, a []uint64) {
	const what = "get_header_values"
	kind, h := abi.HeaderKind(u32(a[0])), i.fields(what, a[0])
	name := i.name(what, a[1], a[2])
	if told(kind, name) {
		if value, ok := i.x.tell(kind, name); ok {
			i.add(value)
		}
	} else {
		for n := range h.Len() {
			if f := h.At(n); f.Name == name {
				i.add(f.Value)
			}
		}
	}
	a[0] = i.giveList(what, a[3], a[4])
}

// setHeaderValue: kind, name, value.
func setHeaderValue(i *instance, a []uint64) { i.write("set_header_value", set, a) }

// addHeaderValue: kind, name, value.
func addHeaderValue(i *instance, a []uint64) { i.write("add_header_value", add, a) }

// removeHeader: kind, name.
func removeHeader(i *instance, a []uint64) { i.write("remove_header", remove, a) }

// write changes fields.
func (i *instance) write(what string, o op, a []uint64) {
	kind, h := abi.HeaderKind(u32(a[0])), i.fields(what, a[0])
	x := &i.x
	if x.after && (kind == abi.RequestHeader || kind == abi.RequestTrailers) {
		i.refuse(what, errAfter)
	}
	e := edit{op: o, name: i.name(what, a[1], a[2])}
	if o != remove {
		e.value = i.words.text(trim(i.read(what, a[3], a[4])))
	}
	if x.wrote += len(e.name) + len(e.value); x.wrote > guest.MostFields {
		i.refuse(what, errFields)
	}
	var err error
	switch kind {
	case abi.RequestHeader:
		x.changed = true
		if e.name == "host" && o == remove && !i.kept {
			i.kept = true
			i.voice.say(slog.LevelWarn, "weir: the host of a request cannot be removed; it stays")
		}
		err = x.writeRequest(h, e)
	case abi.ResponseHeader:
		if !framing(e.name) || e.name == "content-length" && x.method == "HEAD" {
			err = e.apply(h)
		}
	default:
		x.changed = true
		err = x.writeTrailer(kind, e)
	}
	if err != nil {
		i.refuse(what, err)
	}
}

func (x *visit) writeRequest(h *exchange.Header, e edit) error {
	switch {
	case framing(e.name), e.name == "host" && e.op == remove: // it goes to some host
		return nil
	case e.name != "host":
		return e.apply(h)
	}
	if err := x.r.SetAuthority(e.value); err != nil {
		return err
	}
	if h.Has("host") {
		return h.Set("host", x.r.Authority)
	}
	return nil
}

func (x *visit) writeTrailer(kind abi.HeaderKind, e edit) error {
	if keep, _ := exchange.TrailerFate(e.name); !keep {
		return fmt.Errorf("%s: %w", e.name, errTrailer)
	}
	if kind == abi.RequestTrailers {
		return x.asked.edit(e)
	}
	return x.answer.edit(e)
}

// framing tells which fields belong to the connection, or say how long a message is. A
// guest that writes them is not heeded: the protocols write their own.
func framing(name string) bool {
	switch name {
	case "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// trim removes what may stand around a value, and is not part of it (RFC 9110 §5.5).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
