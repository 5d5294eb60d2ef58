package postgres

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/edge/store"
)

var errFull = fmt.Errorf("postgres is full: %w", syscall.ENOSPC)

// pgError returns what the server has said, if it has.
func pgError(err error) (*pgconn.PgError, bool) { return errors.AsType[*pgconn.PgError](err) }

// again tells whether the server has undone a transaction so that it can be tried again.
func again(err error) bool {
	said, ok := pgError(err)
	return ok && (said.Code == "40001" || said.Code == "40P01")
}

// startupRefused tells whether a pool does not know our settings.
func startupRefused(err error) bool {
	said, ok := pgError(err)
	return ok && said.Code == "08P01" && strings.Contains(said.Message, "startup parameter")
}

// ours tells whether err is no failure but what the store answers.
func ours(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrHeld) ||
		errors.Is(err, store.ErrNotFound)
}
