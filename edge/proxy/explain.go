package proxy

import "github.com/weirproxy/weir/edge/exchange"

// Explanation is what a request would become, for people.
type Explanation struct {
	Share    string // why this pool: "header x-canary", "weight 1 of 10", "" where there is one
	Pool     string
	Endpoint string // that would be asked now
	Why      string // what made it this one
	Upgrade  string // the protocol that would be asked for
	// The request, as the upstream would get it. Authority is "" where it is asked for
	// by its own name.
	Method, Target, Authority string
	Header                    exchange.Header
	Err                       error // why it would not be asked at all; then Pool and what follows is empty
}

// Explain tells what would become of r, without asking any upstream. Which of several
// pools is drawn by weight is drawn anew for every request.
func (p *Proxy) Explain(r *exchange.Request) Explanation {
	c, err := p.compose(r)
	if err == nil && refused(r.Method) {
		err = errMethod
	}
	if err != nil {
		return Explanation{Err: err}
	}
	sh := p.shares.of(r)
	e := Explanation{
		Share: p.shares.why(sh), Pool: sh.pool.Name(), Upgrade: c.Upgrade,
		Method: c.Method, Target: c.Target, Authority: c.Authority,
	}
	e.Endpoint, e.Why = sh.pool.Choose(c)
	e.Header.CopyFrom(&c.Header)
	return e
}
