package exchange

// Ender is told when an exchange is over: the response was sent, or cut, and its body
// closed; Record is complete. It must not block for long, and no longer touches r
// afterwards.
type Ender interface{ End(r *Request) }

// AtEnd has e told of the exchange's end, once; whoever asked last is told first. It is
// for filters that have something to do then and no wish to wrap the response's body
// for it, which would keep protocols from sending files and memory as cheaply as they
// can. Unlike a body's Close it is certain also where there is no response.
func (r *Request) AtEnd(e Ender) { r.enders = append(r.enders, e) }

// End tells those who asked AtEnd. The edge calls it, and who made the request with
// NewBackground, when the response's body has been closed.
func (r *Request) End() {
	for n := len(r.enders); n > 0; n = len(r.enders) {
		e := r.enders[n-1]
		r.enders[n-1] = nil
		r.enders = r.enders[:n-1]
		e.End(r)
	}
}
