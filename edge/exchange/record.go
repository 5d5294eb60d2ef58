package exchange

import "time"

// Record holds the facts of one exchange for logs and metrics. The edge, the
// protocol and handlers write it while the exchange goes on; observers read it
// once it is over.
type Record struct {
	Number   uint64    // random, so that one tells nothing of another; see ID
	Start    time.Time // when the head had been read
	Site     string    // the site's name in the configuration
	Route    string    // the route's name in the configuration, or its pattern
	Status   int       // as sent; 499 if the client left before
	Received int64     // bytes of body read from the client
	Sent     int64     // bytes of body sent to the client
	Took     time.Duration
	Fault    Fault
	Err      error // nil if all went well

	// Of the upstream, where one was asked:
	Upstream string        // the endpoint that answered, or was tried last
	Attempts int           // requests sent to upstreams, and connections that failed
	Connect  time.Duration // spent on connecting, in all attempts
	Waited   time.Duration // from the first attempt to the head of the answer
	Plugin   string        // that answered itself, or failed; "" if none did
	Details  string        // what it said about that, one word: "wasm_fail_stream"
	Cache    string        // what the cache did, as Cache-Status has it: "hit", "fwd=uri-miss"; "" without one
}

// ID returns the number as 13 letters and digits: the id of the request in
// logs, and the incident id on error pages.
func (r *Record) ID() string {
	var b [idLen]byte
	return string(r.AppendID(b[:0]))
}

const idLen = 13 // of 5 bits each

// AppendID appends the ID to b.
func (r *Record) AppendID(b []byte) []byte {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	for shift := 5 * (idLen - 1); shift >= 0; shift -= 5 {
		b = append(b, digits[r.Number>>shift&31])
	}
	return b
}

// Observer is told of every finished exchange. It must not block, and must not
// keep r.
type Observer interface {
	Observe(r *Request)
}
