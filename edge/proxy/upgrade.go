package proxy

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
)

const webSocket = "websocket"

var (
	errUnasked = &exchange.Error{Fault: exchange.Upstream, Status: http.StatusBadGateway, Err: errors.New("upstream switched protocols without being asked")}
	errAccept  = &exchange.Error{Fault: exchange.Upstream, Status: http.StatusBadGateway, Err: errors.New("upstream accepted another WebSocket than it was asked for")}
)

// offer completes a call that asks for a WebSocket. Over HTTP/2 and HTTP/3 there is
// no key to prove by that the other end has understood (RFC 8441 §5.1, RFC 9220 §3);
// HTTP/1.1 upstreams want one.
func offer(r *exchange.Request, c *exchange.Call) {
	if c.Upgrade == webSocket && r.Proto >= exchange.HTTP2 {
		var key [16]byte // RFC 6455 §4.1
		rand.Read(key[:])
		c.Header.Append("sec-websocket-key", base64.StdEncoding.EncodeToString(key[:]))
	}
}

// switched makes the response to a client that has asked for another protocol, of an
// upstream's that has switched to it.
func (p *Proxy) switched(r *exchange.Request, c *exchange.Call, resp *exchange.Response) (*exchange.Response, error) {
	if c.Upgrade == "" || resp.Tunnel == nil {
		drop(resp)
		return nil, errUnasked
	}
	if c.Upgrade == webSocket {
		if !accepted(c, resp) {
			drop(resp)
			return nil, errAccept
		}
		resp.Header.Del("sec-websocket-accept")
		if r.Proto < exchange.HTTP2 {
			resp.Header.Append("sec-websocket-accept", acceptance(c.Header.Get("sec-websocket-key")))
		}
	}
	clean(r, resp, &nominees{})
	resp.Header.Append("via", p.answered)
	return resp, nil
}

// accepted tells whether the upstream has understood that it was asked for a
// WebSocket. Upgrade shows that it speaks HTTP/1.1, where Sec-WebSocket-Accept says so;
// elsewhere extended CONNECT itself does.
func accepted(c *exchange.Call, resp *exchange.Response) bool {
	value, said := resp.Header.Lookup("sec-websocket-accept")
	if !said {
		return !resp.Header.Has("upgrade")
	}
	return value == acceptance(c.Header.Get("sec-websocket-key"))
}

// acceptance returns what a server makes of key (RFC 6455 §4.2.2).
func acceptance(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
