package proxywasm

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// What a guest may keep as properties of one stream.
const (
	maxPath       = 1 << 10   // bytes of one path
	maxProperties = 256 << 10 // bytes of all paths and values, with overhead
	perProperty   = 64        // the overhead of each
	perLooked     = 20        // units of fuel for looking at one
)

// value is what a property is made of: it appends to what Envoy's encodings are kept in.
// Numbers are 8 bytes, little-endian; a bool is one; times and durations are nanoseconds.
type value []byte

func (v value) text(s string) (value, bool) { return append(v, s...), true }

func (v value) number(n int64) (value, bool) {
	return binary.LittleEndian.AppendUint64(v, uint64(n)), true
}

func (v value) truth(b bool) (value, bool) {
	if b {
		return append(v, 1), true
	}
	return append(v, 0), true
}

func (v value) duration(d time.Duration) (value, bool) { return v.number(int64(d)) }

// given is text, where there is any.
func (v value) given(s string) (value, bool) { return append(v, s...), s != "" }

// trimPath takes off the NULs that some SDKs put behind paths. Segments are divided by
// one each.
func trimPath(path []byte) []byte { return bytes.TrimRight(path, "\x00") }

// proxyGetProperty has path, where to put the value.
func proxyGetProperty(i *instance, a []uint64) abi.Status {
	path, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if path = trimPath(path); len(path) > maxPath {
		return abi.NotFound
	}
	c := i.effective
	if c == nil {
		return abi.NotFound
	}
	v, ok := c.property(path, i.scratch[:0])
	if !ok && c.stream != nil {
		var kept []byte
		if kept, ok = c.stream.properties[string(path)]; ok {
			return i.give(u32(a[2]), u32(a[3]), kept)
		}
	}
	if !ok {
		return abi.NotFound
	}
	i.scratch = v
	return i.give(u32(a[2]), u32(a[3]), v)
}

// proxySetProperty has path, value. What it sets does not change what the host knows:
// that comes first when it is read.
func proxySetProperty(i *instance, a []uint64) abi.Status {
	path, ok := i.view(a[0], a[1])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	v, ok := i.view(a[2], a[3])
	if !ok {
		return abi.InvalidMemoryAccess
	}
	if i.effective == nil || i.effective.stream == nil {
		return abi.NotFound
	}
	s := i.effective.stream
	path = trimPath(path)
	i.vm.Charge(perLooked * int64(len(s.properties)))
	size := len(path) + len(v) + perProperty
	for p, old := range s.properties {
		if p != string(path) {
			size += len(p) + len(old) + perProperty
		}
	}
	if len(path) > maxPath || size > maxProperties {
		return abi.InternalFailure
	}
	if s.properties == nil {
		s.properties = map[string][]byte{}
	}
	s.properties[string(path)] = bytes.Clone(v)
	return abi.OK
}

// property appends to v what the host knows under a path.
func (c *guestContext) property(path []byte, v value) (value, bool) {
	head, rest, _ := bytes.Cut(path, []byte{0})
	switch string(head) {
	case "plugin_name":
		return v.text(c.i.plugin.Name)
	case "plugin_root_id":
		return v.text(c.root.use.Root)
	case "plugin_vm_id":
		return v.text(c.i.plugin.VMID)
	}
	s := c.stream
	if s == nil || !s.hasRequest() {
		return v, false
	}
	switch string(head) {
	case "request":
		return s.requestProperty(rest, v)
	case "response":
		return s.responseProperty(rest, v)
	case "connection":
		return s.connectionProperty(string(rest), v)
	case "source":
		return addressProperty(s.r.Client, string(rest), v)
	case "destination":
		return addressProperty(s.r.Conn.Local, string(rest), v)
	case "upstream":
		if s.finished || s.hasResponse() { // before, who asks it writes what is known of it
			return s.upstreamProperty(string(rest), v)
		}
	case "xds":
		switch string(rest) {
		case "route_name":
			return v.given(s.r.Record.Route)
		case "virtual_host_name":
			return v.given(s.r.Record.Site)
		}
	case "route_name":
		return v.given(s.r.Record.Route)
	case "x_request_id":
		return v.text(s.requestID())
	}
	return v, false
}

// here tells whether a direction of the exchange is with this filter now: its head has
// not gone on, or a callback runs, or has paused it. A callback of the root that speaks
// of a stream which is somewhere else would read what others are writing.
func (s *stream) here(h *half) bool {
	return s.finished || !h.sent || h.stage != idle && h.stage != passed
}

// hasRequest tells whether what is known of the request may be read now, hasResponse
// that there is a response, and that it may.
func (s *stream) hasRequest() bool  { return s.here(&s.in) || s.hasResponse() }
func (s *stream) hasResponse() bool { return s.resp != nil && s.here(&s.out) }

// requestID is the client's, or a proxy's before us, else ours.
func (s *stream) requestID() string {
	if id := s.r.Header.Get("x-request-id"); id != "" {
		return id
	}
	return s.r.Record.ID()
}

// lowered is a field's name as a path's segment has it.
func lowered(name []byte) string { return strings.ToLower(string(name)) }
