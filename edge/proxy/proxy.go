package proxy

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/upstream"
)

// Proxy is an [exchange.Handler] that asks upstreams. It does not change once made,
// and holds nothing that has to be closed: pools belong to who made them.
type Proxy struct {
	shares    shares
	names     *names
	host      string // what upstreams are asked for, or "": what the client asked for
	ownHost   bool   // they are asked for by their own names
	forwarded bool
	noUpgrade bool

	strip, strippedText string // a prefix, and how it is written
	addText             string

	mark     string                     // our name in Via
	via      [exchange.HTTP3 + 1]string // the element to add, by the client's protocol
	answered string                     // that of responses
	vary     string                     // the fields that shares are chosen by

	bufferRequest, bufferResponse int64

	intercept [][2]int
	mirror    *mirror
}

var _ exchange.Handler = (*Proxy)(nil)

// New returns a Proxy. It fails where o cannot be meant.
func New(o Options) (*Proxy, error) {
	s, err := newShares(o.Shares)
	if err != nil {
		return nil, fmt.Errorf("make proxy: %w", err)
	}
	var m *mirror
	if o.Mirror != nil {
		if m, err = newMirror(o.Mirror); err != nil {
			return nil, fmt.Errorf("make proxy: %w", err)
		}
	}
	return assemble(o, s, m)
}

// assemble makes a Proxy of o, with its pools in s and m.
func assemble(o Options, s shares, m *mirror) (*Proxy, error) {
	p := &Proxy{
		shares: s, mirror: m, names: common, forwarded: o.Forwarded, noUpgrade: o.NoUpgrade,
		bufferRequest: o.BufferRequest, bufferResponse: o.BufferResponse, intercept: o.Intercept,
		vary: s.vary(),
	}
	if err := p.configure(o); err != nil {
		return nil, fmt.Errorf("make proxy: %w", err)
	}
	return p, nil
}

func (p *Proxy) configure(o Options) (err error) {
	switch o.Host {
	case "", "client":
	case "upstream":
		p.ownHost = true
	default:
		if p.host, _, _, err = exchange.ParseAuthority(o.Host); err != nil { // security G14
			return fmt.Errorf("host %q: %w", o.Host, err)
		}
	}
	if p.strip, p.strippedText, err = prefixOf("strip prefix", o.StripPrefix); err != nil {
		return err
	}
	if _, p.addText, err = prefixOf("add prefix", o.AddPrefix); err != nil {
		return err
	}
	for _, r := range o.Intercept {
		if r[0] < 400 || r[1] > 599 || r[0] > r[1] {
			return fmt.Errorf("intercept %d to %d: not a range of error statuses", r[0], r[1])
		}
	}
	if o.Identity != nil {
		if err := checkIdentity(o.Identity); err != nil {
			return err
		}
		p.names = newNames(o.Identity)
	}
	return p.sign(o.Via)
}

// sign makes what Via says. A name alone would make two instances of that name, one
// behind the other, look like a loop; so it is told apart by chance, for each Proxy:
// that a request passes two routes of one machine is not a loop either.
func (p *Proxy) sign(name string) error {
	if name == "" {
		name = "weir"
	}
	if !exchange.ValidName(name) { // RFC 9110 §7.6.3
		return fmt.Errorf("via %q: not a token", name)
	}
	var chance [5]byte
	rand.Read(chance[:])
	p.mark = name + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(chance[:]))
	for proto, version := range [...]string{"1.1", "1.0", "1.1", "2", "3"} {
		p.via[proto] = version + " " + p.mark
	}
	p.answered = "1.1 " + name
	return nil
}

const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

var errMethod = &exchange.Error{
	Fault: exchange.Client, Status: http.StatusMethodNotAllowed,
	Fields: []exchange.Field{{Name: "allow", Value: allowed}}, Err: errors.New("method is not passed on"),
}

// refused tells of methods that no upstream sees: a tunnel behind a pool would be
// somebody else's next connection (security P3), and the echo of TRACE shows the client
// what weir tells the upstream.
func refused(method string) bool { return method == http.MethodConnect || method == http.MethodTrace }

// Handle implements exchange.Handler.
func (p *Proxy) Handle(r *exchange.Request) (*exchange.Response, error) {
	if refused(r.Method) {
		return nil, errMethod
	}
	if r.Method == http.MethodOptions && r.Header.Get("max-forwards") == "0" { // RFC 9110 §7.6.2
		resp := r.NewResponse(http.StatusNoContent)
		resp.Header.Append("allow", allowed)
		return resp, nil
	}
	c, err := p.compose(r)
	if err != nil {
		return nil, err
	}
	if r.Proto >= exchange.HTTP2 && r.Upgrade == "" && c.Body.Len() == 0 {
		if err := awaitEnd(c.Body); err != nil {
			return nil, err
		}
	}
	grpc := isGRPC(&r.Header)
	if grpc {
		c.Deadline = deadlineOf(r)
	} else if p.bufferRequest > 0 && c.Upgrade == "" {
		if err := holdRequest(c, p.bufferRequest); err != nil {
			return nil, err
		}
	}
	if p.mirror != nil && c.Upgrade == "" {
		p.mirror.copy(c)
	}
	resp := r.NewResponse(0)
	result, err := p.shares.of(r).pool.Do(c, resp)
	note(&r.Record, &result)
	switch {
	case err == nil:
		return p.answer(r, c, resp)
	case grpc:
		return grpcFailure(r, err)
	}
	return nil, err
}

// note writes down what asking an upstream took, also where it failed.
func note(to *exchange.Record, from *upstream.Result) {
	to.Upstream, to.Attempts, to.Connect, to.Waited = from.Endpoint, from.Attempts, from.Connect, from.Waited
}
