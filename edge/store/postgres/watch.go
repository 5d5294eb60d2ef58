package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/edge/store"
)

// Watch implements store.Engine. It has a connection of its own, outside of the pool.
func (e *engine) Watch(ctx context.Context, prefix string, changed func(key string)) error {
	conn, err := pgx.ConnectConfig(ctx, e.watches)
	if err != nil {
		return e.interrupted(ctx, err)
	}
	defer e.hangUp(conn)
	listening, cancel := context.WithTimeout(ctx, e.limit)
	_, err = conn.Exec(listening, e.sql("LISTEN weir_change"), pgx.QueryExecModeSimpleProtocol)
	cancel()
	if err != nil {
		return e.interrupted(ctx, err)
	}
	changed("")
	for {
		waiting, cancel := context.WithTimeout(ctx, e.silence)
		n, err := conn.WaitForNotification(waiting)
		silent := waiting.Err() != nil
		cancel()
		if err == nil {
			// Anybody with a connection can notify: what is no key is not told.
			if store.ValidKey(n.Payload) == nil && strings.HasPrefix(n.Payload, prefix) {
				changed(n.Payload)
			}
			continue
		}
		if !silent || ctx.Err() != nil {
			return e.interrupted(ctx, err)
		}
		asking, cancel := context.WithTimeout(ctx, e.silence)
		err = conn.Ping(asking)
		cancel()
		if err != nil {
			return e.interrupted(ctx, err)
		}
	}
}

func (e *engine) interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: postgres: %w", store.ErrUnavailable, err)
}

// hangUp says goodbye, for a moment.
func (e *engine) hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = conn.Close(ctx)
}
