package upstream

import (
	"github.com/weirproxy/weir/edge/http1"
	"github.com/weirproxy/weir/edge/nethttp"
)

// newClient makes the client that speaks e's protocol.
func (u *Upstreams) newClient(p *Pool, e *endpoint) client {
	t := &p.settings.Timeouts
	if e.protocol == "http" || e.protocol == "https" {
		return http1Client{u.transport.NewClient(http1.ClientOptions{
			Dial: e.dial, TLS: p.tlsConfig(e),
			Connect: t.Connect, Head: t.Head, Idle: t.Idle, Keep: t.Keep, Age: t.Age, Tunnel: t.Tunnel,
			MaxIdle: p.settings.Limits.Idle,
			Single:  p.settings.Proxy > 0, // the header names one client
		})}
	}
	return nethttpClient{nethttp.NewClient(nethttp.ClientOptions{
		Protocol: e.protocol, Address: e.address, Dial: e.dial, TLS: p.tlsConfig(e),
		Connect: t.Connect, Head: t.Head, Idle: t.Idle, Keep: t.Keep, Tunnel: t.Tunnel,
	})}
}

type http1Client struct{ *http1.Client }

func (c http1Client) connections() (open, idle int, made uint64) {
	s := c.Stats()
	return s.Open, s.Idle, uint64(s.Made)
}

type nethttpClient struct{ *nethttp.Client }

func (c nethttpClient) connections() (open, idle int, made uint64) {
	s := c.Stats()
	return s.Open, s.Idle, uint64(s.Made)
}
