package sqlite

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	driver "modernc.org/sqlite"

	"github.com/weirproxy/weir/edge/store"
)

// Result codes, https://www.sqlite.org/rescode.html, without their extension.
const (
	codeBusy     = 5
	codeLocked   = 6
	codeReadOnly = 8
	codeIOErr    = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeProtocol = 15
	codeNotADB   = 26
)

func code(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

func isBusy(err error) bool {
	c := code(err)
	return c == codeBusy || c == codeLocked
}

// explain wraps an error of SQLite with what it means here.
func (e *engine) explain(err error) error {
	switch code(err) {
	case codeBusy, codeLocked:
		return fmt.Errorf("%w: another process holds a transaction: %w", store.ErrUnavailable, err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("%w: %s: %w; stop weir, and put the file back from a backup or export; "+
			"or move it away to begin with an empty one", store.ErrDamaged, e.path, err)
	case codeFull:
		return fmt.Errorf("write %s: %w: %w", e.path, syscall.ENOSPC, err)
	case codeIOErr, codeCantOpen, codeReadOnly, codeProtocol:
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, e.path, err)
	}
	return err
}

// ended tells whether err says that ctx has ended.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
