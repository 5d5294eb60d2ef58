package exchange

import "time"

// Record holds the facts of one exchange for logs and metrics. The edge, the
// protocol and handlers write it while the exchange goes on; observers read it
// once it is over.
type Record struct {
	Number   uint64    // unique in the process, looks random; see ID
	Start    time.Time // when the head had been read
	Site     string    // the site's name in the configuration
	Route    string    // the route's pattern
	Status   int       // as sent; 499 if the client left before
	Received int64     // bytes of body read from the client
	Sent     int64     // bytes of body sent to the client
	Took     time.Duration
	Fault    Fault
	Err      error // nil if all went well
}

// ID returns the number as 13 letters and digits: the id of the request in
// logs, and the incident id on error pages.
func (r *Record) ID() string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [13]byte
	n := r.Number
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[n&31]
		n >>= 5
	}
	return string(b[:])
}

// Observer is told of every finished exchange. It must not block, and must not
// keep r.
type Observer interface {
	Observe(r *Request)
}
