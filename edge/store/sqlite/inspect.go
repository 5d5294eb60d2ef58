package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirproxy/weir/edge/store"
)

// Inspect implements store.Engine. It reads the whole file.
func (e *engine) Inspect(ctx context.Context) (store.Inspection, error) {
	i := store.Inspection{Engine: "sqlite", Place: e.path}
	if err := e.read.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&i.Version); err != nil {
		return i, e.explain(err)
	}
	add := func(level store.Level, format string, args ...any) {
		i.Findings = append(i.Findings, store.Finding{Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if err := e.integrity(ctx); err != nil {
		if ended(err) {
			return i, err
		}
		add(store.Wrong, "integrity: %v", err)
	} else {
		add(store.Fine, "integrity: every page is as it should be")
	}
	if err := e.present(); err != nil {
		add(store.Wrong, "%v", err)
	}
	if err := verify(ctx, e.read); err != nil {
		add(store.Wrong, "%v", err)
	}
	if info, err := os.Stat(e.path); err == nil {
		if p := info.Mode().Perm(); p&0o077 != 0 {
			add(store.Wrong, "file mode is %v: others may read keys; chmod 600 %s", p, e.path)
		} else {
			add(store.Fine, "file mode is %v, size %d KiB", p, info.Size()>>10)
		}
	}
	dir := filepath.Dir(e.path)
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o022 != 0 {
		add(store.Warning, "directory mode is %v: others may replace the file; chmod 700 %s", info.Mode().Perm(), dir)
	}
	if free, ok := freeSpace(dir); ok && free < 64<<20 {
		add(store.Warning, "only %d MiB are free on the disk of %s", free>>20, dir)
	}
	return i, nil
}

// integrity returns what is wrong with the file.
func (e *engine) integrity(ctx context.Context) error {
	rows, err := e.read.QueryContext(ctx, "PRAGMA integrity_check(5)")
	if err != nil {
		return e.explain(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			all = append(all, text)
		}
	}
	if err := rows.Err(); err != nil {
		return e.explain(err)
	}
	if len(all) > 0 {
		return fmt.Errorf("%w: %s", store.ErrDamaged, strings.Join(all, "; "))
	}
	return nil
}
