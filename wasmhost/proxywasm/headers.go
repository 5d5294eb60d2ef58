package proxywasm

import (
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// fieldMap is a header or trailer as guests see it: pseudo fields first, which are facts
// of the request or response, and the length of the content last.
type fieldMap struct {
	header *exchange.Header // nil: there is no such map now
	stream *stream          // of a head; nil: there are no pseudo fields
	half   *half            // of a stream's map; nil: of a call's answer
}

// mapOf returns the map of a kind. Maps of the effective stream are readable while
// they are here.
func (i *instance) mapOf(m abi.Map) fieldMap {
	if m >= abi.GRPCInitialMetadata {
		if m <= abi.CallResponseTrailers {
			return fieldMap{header: i.lent.maps[m]}
		}
		return fieldMap{}
	}
	if i.effective == nil || i.effective.stream == nil {
		return fieldMap{}
	}
	s := i.effective.stream
	if request := m <= abi.RequestTrailers; request && !s.hasRequest() || !request && !s.hasResponse() {
		return fieldMap{}
	}
	switch m {
	case abi.RequestHeaders:
		return fieldMap{s.in.header, s, &s.in}
	case abi.RequestTrailers:
		return fieldMap{s.trailer(&s.in), nil, &s.in}
	case abi.ResponseHeaders:
		return fieldMap{s.out.header, s, &s.out}
	}
	return fieldMap{s.trailer(&s.out), nil, &s.out}
}

// trailer returns the trailer of h where it is complete, and nobody writes to it: in its
// own callback, with the last of the content, and when all is over. Until then it is
// filled by who reads the body, and that may be another goroutine.
func (s *stream) trailer(h *half) *exchange.Header {
	if s.finished || h.stage == inTrailers || h.stage == inBody && h.last {
		return h.trailer
	}
	return nil
}

// writable says whether changes of the map still have an effect. Trailers may be made
// with the last of the content.
func (m *fieldMap) writable() bool {
	switch {
	case m.header == nil || m.half == nil:
		return false
	case m.stream != nil:
		return !m.half.sent
	case m.half.stage == inTrailers:
		return true
	}
	return m.half.stage == inBody && m.half.last
}

func (m *fieldMap) request() bool { return m.half == &m.stream.in }

// pseudo returns a pseudo field, or the length of the content, which the seam keeps
// apart from headers.
func (m *fieldMap) pseudo(name string) (value string, ok bool) {
	if m.stream == nil {
		return "", false
	}
	s := m.stream
	switch {
	case name == "host" && m.request(): // over HTTP/1.1 it is a field; guests know it by one name
		return s.r.Authority, s.r.Authority != ""
	case name == "content-length":
		if m.half.length > 0 || m.half.length == 0 && !m.request() {
			return strconv.FormatInt(m.half.length, 10), true
		}
		return "", false
	case !m.request():
		if name == ":status" {
			return statusText(s.resp.Status), true
		}
		return "", false
	}
	switch name {
	case ":method":
		return s.r.Method, true
	case ":path":
		return s.r.Target, true
	case ":authority":
		return s.r.Authority, true
	case ":scheme":
		return s.r.Scheme, true
	}
	return "", false
}

// requestPseudo and responsePseudo are in the order in which guests see them.
var (
	requestPseudo  = [...]string{":method", ":path", ":authority", ":scheme"}
	responsePseudo = [...]string{":status"}
)

// pairs appends all fields to list.
func (m *fieldMap) pairs(list []abi.Pair) []abi.Pair {
	if m.stream != nil {
		names := responsePseudo[:]
		if m.request() {
			names = requestPseudo[:]
		}
		for _, name := range names {
			value, _ := m.pseudo(name)
			list = append(list, abi.Pair{Key: name, Value: value})
		}
	}
	for name, value := range m.header.All() {
		if name == "host" && m.stream != nil && m.request() {
			continue
		}
		list = append(list, abi.Pair{Key: name, Value: value})
	}
	if value, ok := m.pseudo("content-length"); ok && !m.header.Has("content-length") {
		list = append(list, abi.Pair{Key: "content-length", Value: value})
	}
	return list
}

// count returns how many fields a guest sees in the head of h.
func (s *stream) countFields(h *half) int {
	m := fieldMap{h.header, s, h}
	n := h.header.Len() + len(responsePseudo)
	if h == &s.in {
		n = h.header.Len() + len(requestPseudo)
		for range h.header.Values("host") {
			n--
		}
	}
	if _, ok := m.pseudo("content-length"); ok && !h.header.Has("content-length") {
		n++
	}
	return n
}

// get returns the first value of name, which is in lower case.
func (m *fieldMap) get(name string) (string, bool) {
	if name != "host" || m.stream == nil || !m.request() {
		if value, ok := m.header.Lookup(name); ok {
			return value, true
		}
	}
	return m.pseudo(name)
}

// set puts a field into the map: in place of what has its name, or beside it. What may
// not be there is not put there, and why is logged: guests in Rust panic over an error.
func (i *instance) set(m *fieldMap, name, value []byte, beside bool) {
	s := i.effective.stream
	if s.wrote += len(name) + len(value); s.wrote > guest.MostFields {
		i.complain("field added to as many as a guest may write: ignored")
		return
	}
	key := i.lower(name)
	if m.stream != nil && (strings.HasPrefix(key, ":") || key == "host" && m.request()) {
		m.half.touched = true
		if err := m.setPseudo(key, string(value)); err != nil {
			i.complain(err.Error() + ": ignored")
		}
		return
	}
	if m.stream == nil {
		if keep, _ := exchange.TrailerFate(key); !keep {
			i.complain("trailer " + key + ": ignored")
			return
		}
	}
	m.half.touched = true
	i.setField(m.header, key, i.text(value), !beside)
}

// setField puts a field into h.
func (i *instance) setField(h *exchange.Header, name, value string, replace bool) {
	if frames(name) {
		return
	}
	var err error
	if replace {
		err = h.Set(name, value)
	} else {
		err = h.Add(name, value)
	}
	if err != nil {
		i.complain(err.Error() + ": ignored")
	}
}

// frames tells whether a field is the protocol's business: it is not a guest's to say
// where a message ends, or what becomes of the connection.
func frames(name string) bool {
	switch name {
	case "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "trailer", "":
		return true
	}
	return name[0] == ':'
}

// setPseudo changes a fact of the request or response.
func (m *fieldMap) setPseudo(name, value string) error {
	s := m.stream
	if !m.request() {
		if name != ":status" {
			return errPseudoField
		}
		status, err := strconv.Atoi(value)
		if err != nil || status < 200 || status > 599 || s.resp.Tunnel != nil {
			return errStatus
		}
		s.resp.Status = status
		return nil
	}
	switch name {
	case ":method":
		if !exchange.ValidName(value) || value == "CONNECT" || s.r.Upgrade != "" {
			return errMethod
		}
		s.r.Method = value
	case ":path":
		if value == "*" && s.r.Method != "OPTIONS" { // RFC 9112 §3.2.4
			return errPath
		}
		return s.r.SetTarget(value)
	case ":authority", "host":
		err := s.r.SetAuthority(value)
		if err == nil && s.r.Header.Has("host") {
			err = s.r.Header.Set("host", s.r.Authority)
		}
		return err
	case ":scheme":
		if value != "http" && value != "https" {
			return errScheme
		}
		s.r.Scheme = value
	default:
		return errPseudoField
	}
	return nil
}

// remove takes away all fields of a name. Pseudo fields stay.
func (i *instance) remove(m *fieldMap, name []byte) {
	key := i.lower(name)
	if m.stream != nil && key == "content-length" {
		m.half.length = -1 // the guest does not see it any longer
		m.header.Del(key)  // of an answer to HEAD
		return
	}
	if strings.HasPrefix(key, ":") || key == "host" && m.stream != nil && m.request() {
		i.complain("removal of " + key + ": ignored")
		return
	}
	m.half.touched = true
	m.header.Del(key)
}

// lower returns a name in lower case. Guests use a handful of names all the time: those
// are kept, and cost no memory of their own.
func (i *instance) lower(name []byte) string {
	const kept, longest = 256, 64
	i.scratch = append(i.scratch[:0], name...)
	for k, c := range i.scratch {
		if 'A' <= c && c <= 'Z' {
			i.scratch[k] = c + 'a' - 'A'
		}
	}
	if s, ok := i.names[string(i.scratch)]; ok {
		return s
	}
	s := string(i.scratch)
	if len(i.names) < kept && len(s) <= longest {
		i.names[s] = s
	}
	return s
}

// text returns a copy of a value. What guests add is often the same all the time.
func (i *instance) text(value []byte) string {
	const kept, longest = 64, 64
	if s, ok := i.values[string(value)]; ok {
		return s
	}
	s := string(value)
	if len(i.values) < kept && len(s) <= longest {
		i.values[s] = s
	}
	return s
}

// statusText is a status in digits.
func statusText(status int) string {
	if status < 100 || status > 599 {
		return strconv.Itoa(status)
	}
	return statuses[3*(status-100):][:3]
}

// statuses are the digits of 100 to 599, so that none needs memory of its own.
var statuses = func() string {
	var b []byte
	for n := 100; n < 600; n++ {
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}()
