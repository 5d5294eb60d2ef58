package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver

	"github.com/weirproxy/weir/edge/store"
)

// What the file says it is, https://www.sqlite.org/fileformat.html §1.3.
const (
	application = 0x77656972 // "weir"
	format      = 1
)

const schema = `
CREATE TABLE entry (
	key     TEXT NOT NULL PRIMARY KEY,
	value   BLOB NOT NULL,
	version INTEGER NOT NULL,
	expires INTEGER
) STRICT;
CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
CREATE TABLE lease (
	name    TEXT NOT NULL PRIMARY KEY,
	holder  TEXT NOT NULL,
	fence   INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;
CREATE TABLE change (seq INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;
CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 0), value INTEGER NOT NULL) STRICT;
INSERT INTO counter VALUES (0, 0);
`

// source is what the driver opens. The file has to be there.
func source(path string, write bool) string {
	q := url.Values{}
	q.Set("mode", "rw")
	q.Set("_busy_timeout", "500")
	q.Set("_defensive", "1")
	q.Set("_synchronous", "FULL")
	if write {
		q.Add("_pragma", "journal_size_limit(16777216)")
		q.Add("_pragma", "secure_delete(fast)")
	} else {
		q.Set("_query_only", "1")
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}
	return u.String()
}

// prepare returns the absolute path of the file, which is there when it returns, and
// what it is.
func prepare(ctx context.Context, path string) (string, os.FileInfo, error) {
	if path == "" {
		return "", nil, errors.New("no path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	if name := remote(dir); name != "" {
		return "", nil, fmt.Errorf("%s is on a network file system (%s), where locks cannot be relied on: "+
			"use a local disk, or redis or postgres", dir, name)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(ctx, path); err != nil {
			return "", nil, fmt.Errorf("create: %w", err)
		}
		info, err = os.Stat(path)
	}
	switch {
	case err != nil:
		return "", nil, err
	case !info.Mode().IsRegular():
		return "", nil, fmt.Errorf("not a regular file (mode %v)", info.Mode())
	case info.Mode().Perm()&0o077 != 0:
		return "", nil, fmt.Errorf("others may use it (mode %v), and keys are in it: chmod 600", info.Mode().Perm())
	case info.Size() == 0:
		return "", nil, fmt.Errorf("%w: the file is empty; put it back from a backup or export; "+
			"or remove it to begin with an empty store", store.ErrDamaged)
	}
	return path, info, nil
}

// create makes a new file and gives it its name when it is complete. So a crash leaves
// none, and of two processes one makes it for both.
func create(ctx context.Context, path string) error {
	temp := path + ".new-" + rand.Text()
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	defer func() {
		for _, end := range []string{"", "-wal", "-shm", "-journal"} {
			os.Remove(temp + end)
		}
	}()
	db, err := sql.Open("sqlite", source(temp, true))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, stmt := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", application), fmt.Sprintf("PRAGMA user_version = %d", format),
		schema, "PRAGMA journal_mode = WAL",
	} {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	switch err := os.Link(temp, path); {
	case err == nil || errors.Is(err, fs.ErrExist): // another process was faster
	default: // a file system without links
		if err := os.Rename(temp, path); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync() // not every file system can
	return nil
}

// verify returns an error unless db is a store that this program understands.
func verify(ctx context.Context, db *sql.DB) error {
	var app, version int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case app != application:
		return errors.New("a database of another program")
	case version != format:
		return fmt.Errorf("store of format %d, this program knows %d", version, format)
	}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal_mode is %s: somebody has changed it; set it back with sqlite3: PRAGMA journal_mode=WAL", mode)
	}
	return nil
}
