package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// answer makes the client's response of the upstream's, which it owns.
func (p *Proxy) answer(r *exchange.Request, c *exchange.Call, resp *exchange.Response) (*exchange.Response, error) {
	var n nominees
	if n.read(&resp.Header, p.names) != nil {
		drop(resp)
		return nil, &exchange.Error{Fault: exchange.Upstream, Err: errNominees.Err}
	}
	if resp.Status == http.StatusSwitchingProtocols {
		return p.switched(r, c, resp)
	}
	if p.intercepts(resp) {
		return nil, intercepted(resp)
	}
	clean(r, resp, &n)
	resp.Header.Append("via", p.answered)
	add(&resp.Header, "vary", p.vary)
	if p.bufferResponse > 0 && r.Method != http.MethodHead {
		if err := holdResponse(resp, p.bufferResponse); err != nil {
			drop(resp)
			return nil, err
		}
	}
	explain(r, c, resp)
	return resp, nil
}

func drop(resp *exchange.Response) {
	resp.Body.Close()
	if resp.Tunnel != nil {
		resp.Tunnel.Close()
		resp.Tunnel = nil
	}
}

// clean removes what belongs to the connection with the upstream, or speaks of its
// origin rather than of ours.
func clean(r *exchange.Request, resp *exchange.Response, n *nominees) {
	told := r.Method == http.MethodHead || resp.Status == http.StatusNotModified
	streamed := resp.Body.Len() < 0
	resp.Header.DelFunc(func(name, _ string) bool {
		switch name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te",
			"proxy-authenticate", "proxy-authentication-info",
			"alt-svc": // RFC 7838 §2: an alternative of the upstream is none of this origin's
			return true
		case "content-length": // the body tells, where there is one
			return !told
		case "trailer": // RFC 9110 §6.6.2: what cannot come need not be announced
			return !streamed
		}
		return n.n > 0 && n.has(name)
	})
}

func (p *Proxy) intercepts(resp *exchange.Response) bool {
	if len(p.intercept) == 0 || resp.Status < 400 || strings.HasPrefix(resp.Header.Get("content-type"), grpcType) {
		return false
	}
	for _, r := range p.intercept {
		if r[0] <= resp.Status && resp.Status <= r[1] {
			return true
		}
	}
	return false
}

// intercepted makes an error of resp, with the fields that clients need of it.
func intercepted(resp *exchange.Response) error {
	e := &exchange.Error{Fault: exchange.Upstream, Status: resp.Status, Err: fmt.Errorf("upstream answered %d", resp.Status)}
	for name, value := range resp.Header.All() {
		switch name {
		case "allow", "retry-after", "www-authenticate":
			e.Fields = append(e.Fields, exchange.Field{Name: name, Value: value})
		}
	}
	drop(resp)
	return e
}
