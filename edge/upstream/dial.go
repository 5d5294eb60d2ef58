package upstream

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// dialer returns what connects to at. The connection has sent its PROXY header,
// where one is wanted, and nothing else.
func (p *Pool) dialer(at place) func(context.Context, *exchange.Call) (net.Conn, error) {
	version := p.settings.Proxy
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}
	return func(ctx context.Context, c *exchange.Call) (net.Conn, error) {
		conn, err := d.DialContext(ctx, at.network, at.address)
		if err != nil || version == 0 {
			return conn, err
		}
		header := appendProxy(make([]byte, 0, proxyLongest), version, c.Client, c.Server)
		// It fits into any socket's buffer: nothing waits here.
		if _, err := conn.Write(header); err != nil {
			conn.Close()
			return nil, fmt.Errorf("send PROXY header: %w", err)
		}
		return conn, nil
	}
}
