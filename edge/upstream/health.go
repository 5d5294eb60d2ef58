package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// probe checks e once, over the connections that calls use too. nil is well.
func (p *Pool) probe(ctx context.Context, e *endpoint) error {
	h := &p.settings.Health
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	switch h.Kind {
	case "tcp":
		conn, err := e.dial(ctx, &exchange.Call{})
		if err != nil {
			return err
		}
		return conn.Close()
	case "grpc":
		return p.probeGRPC(ctx, e)
	}
	c := p.question(ctx, e, "GET", h.Path)
	c.Header.Append("accept", "*/*")
	var resp exchange.Response
	if err := inquire(e, c, &resp); err != nil {
		return err
	}
	if _, err := swallow(resp.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.Status < h.Statuses[0] || resp.Status > h.Statuses[1] {
		return fmt.Errorf("answers %d, not %d to %d", resp.Status, h.Statuses[0], h.Statuses[1])
	}
	return nil
}

// question is the call that checks make.
func (p *Pool) question(ctx context.Context, e *endpoint, method, target string) *exchange.Call {
	c := &exchange.Call{
		Method: method, Scheme: e.scheme(), Authority: e.authority, Target: target, Body: exchange.NoBody,
		Deadline: time.Now().Add(p.settings.Health.Timeout), Caller: exchange.CallerOf(ctx),
	}
	if host := p.settings.Health.Host; host != "" {
		c.Authority = host
	}
	c.Header.Append("user-agent", "weir-health")
	return c
}

// inquire asks e, once more where an idle connection turned out to be closed.
func inquire(e *endpoint, c *exchange.Call, resp *exchange.Response) error {
	err := e.client.Do(c, resp)
	if err != nil && c.Attempt.Reused && !c.Attempt.Answered && blames(err) && !isTimeout(err) {
		e.client.CloseIdle()
		c.Attempt = exchange.Attempt{}
		err = e.client.Do(c, resp)
	}
	if err == nil && resp.Tunnel != nil {
		resp.Tunnel.Close()
		return errors.New("answers 101")
	}
	return err
}

// swallowMost is what a check reads of an answer. Of longer ones the connection is
// given up.
const swallowMost = 64 << 10

// swallow reads and closes a body, and returns its beginning.
func swallow(b exchange.Body) ([]byte, error) {
	defer b.Close()
	head, err := io.ReadAll(io.LimitReader(b, swallowMost))
	if err != nil {
		return nil, err
	}
	return head, nil
}
