package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/edge/store"
)

// Watch implements store.Engine. It has a connection of its own. The client would mend
// it silently when it breaks; the first error ends the watch instead, so that nobody
// believes to have heard everything.
func (e *engine) Watch(ctx context.Context, prefix string, changed func(key string)) error {
	sub := e.client.Subscribe(ctx, e.prefix+"w")
	defer sub.Close()
	// Receiving does not end with ctx, but with the connection.
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	asked := false
	for {
		m, err := sub.ReceiveTimeout(ctx, e.silence)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() && !asked {
			asked = true
			err = sub.Ping(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("%w: redis: %w", store.ErrUnavailable, err)
		}
		asked = false
		switch m := m.(type) {
		case *redis.Subscription:
			changed("")
		case *redis.Message:
			if strings.HasPrefix(m.Payload, prefix) {
				changed(m.Payload)
			}
		}
	}
}
