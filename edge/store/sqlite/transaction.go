package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// transaction is what jobs write with.
type transaction struct{ w *writer }

// nested does f, and undoes it if it returns an error.
func (t *transaction) nested(f func(*transaction) error) error {
	if _, err := t.exec("SAVEPOINT job"); err != nil {
		return err
	}
	err := f(t)
	if err != nil {
		if _, undone := t.exec("ROLLBACK TO job"); undone != nil {
			return errors.Join(err, undone)
		}
	}
	_, released := t.exec("RELEASE job")
	return errors.Join(err, released)
}

// stmt prepares each statement once for a connection.
func (t *transaction) stmt(query string) (*sql.Stmt, error) {
	s := t.w.stmts[query]
	if s == nil {
		var err error
		if s, err = t.w.conn.PrepareContext(context.Background(), query); err != nil {
			return nil, err
		}
		t.w.stmts[query] = s
	}
	return s, nil
}

func (t *transaction) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args...)
}

// row scans the one row of a query; sql.ErrNoRows if there is none.
func (t *transaction) row(to []any, query string, args ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(to...)
}
