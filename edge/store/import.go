package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// ImportMode says what happens to keys that are there already.
type ImportMode int

// Modes of Import.
const (
	KeepExisting    ImportMode = iota // they stay as they are
	ReplaceExisting                   // they get the value of the file
)

// Imported counts what became of the entries of a file.
type Imported struct {
	Written int64
	Kept    int64 // were there already
	Expired int64 // are out of date
}

// Import writes the entries of what Export has written. The whole file is read and
// checked before the first is; an r that cannot seek is copied to a temporary file for
// that. On an error, what is counted was written; importing again does the rest.
func (s *Store) Import(ctx context.Context, r io.Reader, mode ImportMode) (Imported, error) {
	file, done, err := rewindable(r)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	defer done()
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	if err := readExport(file, func(exportEntry) error { return context.Cause(ctx) }); err != nil {
		return Imported{}, fmt.Errorf("import: nothing was written: %w", err)
	}
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	i := importer{store: s, mode: mode}
	i.began = time.Now()
	if i.now, err = s.Now(ctx); err != nil {
		return Imported{}, fmt.Errorf("import: nothing was written: %w", err)
	}
	err = readExport(file, func(e exportEntry) error { return i.add(ctx, e) })
	if err == nil {
		err = i.flush(ctx)
	}
	if err != nil {
		return i.count, fmt.Errorf("import: after %d entries: %w", i.count.Written, err)
	}
	return i.count, nil
}

// rewindable returns r, or its copy on disk, which done removes.
func rewindable(r io.Reader) (file io.ReadSeeker, done func(), err error) {
	if s, ok := r.(io.ReadSeeker); ok {
		if _, err := s.Seek(0, io.SeekCurrent); err == nil {
			return s, func() {}, nil
		}
	}
	f, err := os.CreateTemp("", "weir-import-") // mode 0600
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		f.Close()
		os.Remove(f.Name())
	}
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}

// importer gathers entries to batches.
type importer struct {
	store *Store
	mode  ImportMode
	now   time.Time // the engine's clock at began
	began time.Time
	batch []exportEntry
	size  int
	count Imported
}

func (i *importer) add(ctx context.Context, e exportEntry) error {
	size := len(e.Key) + len(e.Value)
	if len(i.batch) == MaxOps || i.size+size > MaxBatch/2 {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	i.batch = append(i.batch, e)
	i.size += size
	return nil
}

// ops makes changes of the batch. What has expired is counted and left out.
func (i *importer) ops() []Op {
	now := i.now.Add(time.Since(i.began))
	ops := make([]Op, 0, len(i.batch))
	for _, e := range i.batch {
		op := Op{Key: e.Key, Value: e.Value, If: Condition{Absent: i.mode == KeepExisting}}
		if e.Expires != nil {
			op.TTL = min(e.Expires.Sub(now), longestTTL)
			if op.TTL <= 0 {
				i.count.Expired++
				continue
			}
		}
		ops = append(ops, op)
	}
	return ops
}

// flush writes the batch; one by one, if some of its keys are there already.
func (i *importer) flush(ctx context.Context) error {
	ops := i.ops()
	i.batch, i.size = i.batch[:0], 0
	if len(ops) == 0 {
		return nil
	}
	_, err := i.store.Commit(ctx, Batch{Ops: ops})
	if err == nil {
		i.count.Written += int64(len(ops))
		return nil
	}
	if !errors.Is(err, ErrConflict) {
		return err
	}
	for _, op := range ops {
		switch _, err := i.store.Commit(ctx, Batch{Ops: []Op{op}}); {
		case err == nil:
			i.count.Written++
		case errors.Is(err, ErrConflict):
			i.count.Kept++
		default:
			return err
		}
	}
	return nil
}
