package cache

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// entry is a response that is kept. It does not change, but for who visits it; what
// a validation changes is a new entry with the old one's body.
type entry struct {
	facts
	body []byte // nil if it is only in the file
	file string // the name in the store's directory; "" for none

	saved   atomic.Bool   // the file is there
	sum     atomic.Uint32 // of the body, if that is in a file
	visited atomic.Bool   // somebody asked for it lately
	pins    atomic.Int64  // readers of a large body, and one for being kept
	weight  int64         // bytes of memory it takes

	// Guarded by Store.mu.
	kept         bool
	newer, older *entry
}

// facts are what is known of a response.
type facts struct {
	key         string
	site, route string   // whose it is: another route may answer the same URL otherwise
	vary        []string // names of request fields that it depends on
	variant     string   // and what they were

	status   int
	fields   []exchange.Field // what is sent, but for Age and Cache-Status
	tags     []string
	etag     string
	modified string    // Last-Modified as sent
	basis    time.Time // what If-Modified-Since is compared with: Last-Modified, or Date
	size     int64     // of the body

	received        time.Time
	age, lifetime   int64 // in seconds, when received
	whileRevalidate int64
	ifError         int64
	shared          bool // explicitly for everybody: also for requests with Authorization
	noCache         bool // to be validated each time
	strict          bool // never to be used stale
}

// overhead is what an entry takes besides its bytes: itself, its places in the map, the
// resource and the lists (measured, rounded up).
const overhead = 640

// weigh returns how many bytes of memory e takes.
func (e *entry) weigh() int64 {
	n := overhead + len(e.key) + len(e.variant) + len(e.file) + cap(e.body)
	for _, f := range e.fields {
		n += 32 + len(f.Name) + len(f.Value)
	}
	for _, t := range e.tags {
		n += 16 + len(t)
	}
	for _, v := range e.vary {
		n += 16 + len(v)
	}
	return int64(n)
}

// ageAt returns how old the response is (RFC 9111 §4.2.3).
func (e *entry) ageAt(now time.Time) int64 {
	return e.age + max(0, int64(now.Sub(e.received)/time.Second))
}

// ttlAt returns for how many seconds the response is fresh still; less than 0, for how
// many it has been stale.
func (e *entry) ttlAt(now time.Time) int64 { return e.lifetime - e.ageAt(now) }

// fits tells whether e answers requests like r.
func (e *entry) fits(r *exchange.Request) bool {
	if e.site != r.Record.Site || e.route != r.Record.Route {
		return false
	}
	if len(e.vary) == 0 && !r.Trusted {
		return e.variant == ""
	}
	var buffer [512]byte
	return string(appendVariant(buffer[:0], e.vary, r)) == e.variant
}

// twin tells whether e and o answer the same requests.
func (e *entry) twin(o *entry) bool {
	return e.site == o.site && e.route == o.route && e.variant == o.variant && slices.Equal(e.vary, o.vary)
}

// copyFields copies those fields that may be kept, in memory of their own: the strings
// of h are cut from buffers that are much larger.
func copyFields(h *exchange.Header, drop func(name string) bool) []exchange.Field {
	n, size := 0, 0
	for name, value := range h.All() {
		if !drop(name) {
			n++
			size += len(name) + len(value)
		}
	}
	var text strings.Builder
	text.Grow(size)
	for name, value := range h.All() {
		if !drop(name) {
			text.WriteString(name)
			text.WriteString(value)
		}
	}
	fields, rest := make([]exchange.Field, 0, n), text.String()
	for name, value := range h.All() {
		if !drop(name) {
			a, b := len(name), len(name)+len(value)
			fields = append(fields, exchange.Field{Name: rest[:a], Value: rest[a:b]})
			rest = rest[b:]
		}
	}
	return fields
}

// get returns the first field called name.
func (e *entry) get(name string) string {
	for i := range e.fields {
		if e.fields[i].Name == name {
			return e.fields[i].Value
		}
	}
	return ""
}
