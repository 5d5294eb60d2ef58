package sdktest

import (
	"iter"
	"strings"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/weir"
)

// Header is the fields of a header, or trailers, in their order. Names are not
// case-sensitive.
type Header []weir.Field

// Field returns a field.
func Field(name, value string) weir.Field { return weir.Field{Name: name, Value: value} }

// Fields returns a header of names and values in turn.
func Fields(namesAndValues ...string) (h Header) {
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		h = append(h, Field(namesAndValues[i], namesAndValues[i+1]))
	}
	return h
}

// Get returns the first value of a field; "" if there is none.
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Has tells whether there is such a field.
func (h Header) Has(name string) bool { return len(h.Values(name)) > 0 }

// Values returns all values of a field.
func (h Header) Values(name string) (all []string) {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			all = append(all, f.Value)
		}
	}
	return all
}

// String returns the header as it is written in HTTP/1.1, with \n at the ends of lines.
func (h Header) String() string {
	var b strings.Builder
	for _, f := range h {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String()
}

func (h Header) clone() Header { return append(Header(nil), h...) }

// lowered returns a copy as hosts have it: with names in lower case.
func (h Header) lowered() Header {
	h = h.clone()
	for i := range h {
		h[i].Name = strings.ToLower(h[i].Name)
	}
	return h
}

func (h *Header) set(name, value string) {
	for i, f := range *h {
		if f.Name == name {
			(*h)[i].Value = value
			h.delFrom(i+1, name)
			return
		}
	}
	h.add(name, value)
}

func (h *Header) add(name, value string) { *h = append(*h, Field(name, value)) }

func (h *Header) del(name string) { h.delFrom(0, name) }

func (h *Header) delFrom(from int, name string) {
	kept := (*h)[:from]
	for _, f := range (*h)[from:] {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	*h = kept
}

// take removes a field and returns its value.
func (h *Header) take(name string) string {
	v := h.Get(name)
	h.del(name)
	return v
}

func (h Header) pairs() []byte {
	list := make([]abi.Pair, len(h))
	for i, f := range h {
		list[i] = abi.Pair{Key: f.Name, Value: f.Value}
	}
	return abi.AppendPairs(nil, list)
}

// headerOf reads pairs, with names in lower case.
func headerOf(pairs []byte) (h Header) {
	for name, value := range abi.Pairs(pairs) {
		h.add(strings.ToLower(name), value)
	}
	return h
}

// Request is what a client asks, or what has reached whatever is behind the filter.
type Request struct {
	Method    string // "": GET, or POST with a body
	Path      string // with the query; "": "/"
	Authority string // "": example.com
	Scheme    string // "": https
	Header    Header
	Body      string
	// Chunks is a body of unknown length, which comes in these pieces, in place of Body.
	// One of no pieces, which is not nil, is empty and of unknown length.
	Chunks  []string
	Trailer Header
	// Client is the address of who asks; "": 192.0.2.1:50000.
	Client string
	// Properties are what the filter can ask for beside what follows from the rest:
	// {"connection.tls_version": "TLSv1.3"}.
	Properties map[string]string
}

// filled returns a copy with what is not there as it is by default.
func (r *Request) filled() *Request {
	q := *r
	if q.Method == "" {
		if q.Method = "GET"; q.Body != "" || q.Chunks != nil {
			q.Method = "POST"
		}
	}
	for _, f := range []struct {
		at        *string
		otherwise string
	}{{&q.Path, "/"}, {&q.Authority, "example.com"}, {&q.Scheme, "https"}, {&q.Client, "192.0.2.1:50000"}} {
		if *f.at == "" {
			*f.at = f.otherwise
		}
	}
	q.Header, q.Trailer = q.Header.lowered(), q.Trailer.lowered()
	return &q
}

// Answer is what whatever is behind the filter answers, or an upstream that it calls.
type Answer struct {
	Status int // 0: 200
	Header Header
	Body   string
	// Chunks is a body of unknown length, which comes in these pieces, in place of Body.
	Chunks  []string
	Trailer Header

	// Delay is how long it takes, and Pause how long it waits before each of Chunks but
	// the first.
	Delay, Pause time.Duration
	// Err is why there is no answer.
	Err error
	// Cut has the body break off where it should end.
	Cut bool
}

// pieces iterates over the pieces of a body, and when they come after its head.
func (a *Answer) pieces() iter.Seq2[time.Duration, string] {
	return func(yield func(time.Duration, string) bool) {
		if a.Chunks == nil {
			if a.Body != "" {
				yield(0, a.Body)
			}
			return
		}
		for i, c := range a.Chunks {
			if !yield(time.Duration(i)*a.Pause, c) {
				return
			}
		}
	}
}

// length is how long a body is known to be; -1: it is not.
func (a *Answer) length() int {
	if a.Chunks != nil || len(a.Trailer) > 0 {
		return -1
	}
	return len(a.Body)
}

func (a *Answer) last() time.Duration { return time.Duration(max(0, len(a.Chunks)-1)) * a.Pause }

// Response is what a client has got.
type Response struct {
	Status  int
	Header  Header
	Body    string
	Trailer Header
	Informs []Inform // what came before it
	Chunks  []Chunk  // the body as it came
	At      time.Duration
	End     time.Duration // when it was complete, or cut; of one that is neither, 0
	// Cut says why it is not complete: [ErrCut]. Of one that is under way it is nil.
	Cut error
	// Local tells that the filter has answered by itself, and Details what it said of
	// that for the access log.
	Local   bool
	Details string
}

// Inform is an interim response, such as 103.
type Inform struct {
	Status int
	Header Header
	At     time.Duration
}

// Chunk is a piece of a body.
type Chunk struct {
	At   time.Duration
	Data string
}
