package trial

import (
	"net/netip"
	"regexp"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// Place is where something was said, for who prints failures.
type Place struct{ Line, Col int }

// Case is one request to a guest, what answers around it, and what is to come of that.
type Case struct {
	At       Place
	Name     string
	Skip     string // why it is not run; "": it is
	Settings wasmhost.Settings
	Use      guest.Use
	Module   bool          // it answers by itself, and is no filter
	Timeout  time.Duration // 0: 10 s
	Request  Request
	Upstream Answer              // of what is behind the filter
	Callees  map[string][]Answer // of what the guest calls, by name or origin
	Store    []Entry             // what is in the store before
	Expect   Expect
}

// Request is what a client asks. It has to be one that could have come from a client.
type Request struct {
	Method, Scheme, Authority, Target string
	Proto                             exchange.Proto
	Header, Trailer                   []exchange.Field
	Body                              Body
	Client                            netip.AddrPort
	Leaves                            time.Duration // when the client goes away; 0: it waits
}

// Body is content that is sent: Text so many times, or Chunks one by one, without a length.
type Body struct {
	Text   string
	Times  int // 0: once
	Chunks []string
}

// Answer is how an upstream answers.
type Answer struct {
	At                     Place
	Status                 int
	Header, Trailer, Hints []exchange.Field
	Body                   Body
	Delay, Pause           time.Duration // before it, and before each chunk but the first
	Err                    string        // in place of an answer
	Cut                    bool          // where the body should end
	Match                  *Message      // which calls it is for; nil: all
	Times                  int           // how many, at most; 0: any number
}

// Expect is what is to come of a case. What is nil is not looked at.
type Expect struct {
	At       Place
	Response *Message
	Upstream *Messages // of which there is one at most
	Calls    *Messages
	Log      *Log
	Metrics  []Metric
	Store    []Stored
	Err      *Pattern // why the guest or the request fails
	Refused  *Pattern // why the guest does not take its configuration
	Cost     *Cost
	Within   time.Duration // after the request, until when what is not so yet may become so
}

// Messages are those that reach an upstream, all of them in their order.
type Messages struct {
	At  Place
	All []Message
}

// Message is what a request or response is to be like. A zero Text is not looked at.
type Message struct {
	At                                  Place
	Status                              int // 0: any
	To, Method, Path, Scheme, Authority Text
	Header, Trailer, Hints              []Field
	Body                                Text
}

// Field is what fields of one name are to be like.
type Field struct {
	At     Place
	Name   string // in lower case
	Absent bool
	All    []string // of them, in their order; nil: it is enough if one is like Value
	Value  Text
}

// Text is what a text is to be like; all that is set has to hold.
type Text struct {
	At              Place
	Is              *string
	Contains, Lacks []string
	Matches         *regexp.Regexp
	JSON            string // any that says the same
	Size            *int64
}

// Log is what a guest is to log.
type Log struct {
	At  Place
	All []Pattern // each found in a line after that of the one before; none: there is no line
}

// Pattern is to be found in a text.
type Pattern struct {
	At Place
	Re *regexp.Regexp
}

// Entry is one of the store.
type Entry struct {
	Space      string // "": the plugin's own
	Key, Value string
}

// Stored is what an entry of the store is to be like afterwards.
type Stored struct {
	At         Place
	Space, Key string
	Absent     bool
	Value      Text
}

// Metric is what one of the guest's is to be at.
type Metric struct {
	At    Place
	Name  string
	Value int64
}

// Cost is what a case takes at most; 0: anything.
type Cost struct {
	At           Place
	Fuel, Memory int64
}
