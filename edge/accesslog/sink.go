package accesslog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/DeRuina/timberjack"
)

// Rotate says when a log file is put aside and what becomes of old ones. The zero
// value leaves it to others, who call Reopen afterwards.
type Rotate struct {
	Size     int64         // bytes a file may grow to; 0: any
	Keep     int           // old files that are kept; 0: all. Only with Size
	Age      time.Duration // old files that are older, in whole days, go; 0: none. Only with Size
	Compress bool          // old files are compressed with gzip. Only with Size
}

const mebibyte = 1 << 20

// sink is where lines go. The writer's goroutine has it for itself.
type sink struct {
	w      io.Writer // without a path
	path   string
	rotate Rotate
	file   *os.File           // with a path and without rotation
	roller *timberjack.Logger // with both
	size   int64              // of the roller's file
}

func openSink(o Options) (*sink, error) {
	s := &sink{w: o.Writer, path: o.File, rotate: o.Rotate}
	switch {
	case s.path == "" && s.w == nil:
		return nil, errors.New("neither file nor writer")
	case s.path == "":
		return s, nil
	case s.rotate.Size < 0 || s.rotate.Keep < 0 || s.rotate.Age < 0:
		return nil, fmt.Errorf("rotate %+v: negative", s.rotate)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return nil, err
	}
	return s, s.open()
}

// open opens the file that is at path now. On an error nothing has changed.
func (s *sink) open() error {
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	if s.rotate.Size == 0 {
		old := s.file
		if s.file = file; old != nil {
			return old.Close()
		}
		return nil
	}
	info, err := file.Stat()
	file.Close() // it was opened to learn whether the roller can, and its size
	if err != nil {
		return err
	}
	if s.roller != nil {
		err = s.roller.Close()
	}
	s.size = info.Size()
	s.roller = &timberjack.Logger{
		Filename: s.path, FileMode: 0o640,
		// The roller counts in MiB; write asks it to rotate at the very byte, before
		// it would by itself.
		MaxSize:    int(s.rotate.Size/mebibyte) + 2,
		MaxBackups: s.rotate.Keep,
		MaxAge:     int((s.rotate.Age + 24*time.Hour - 1) / (24 * time.Hour)),
	}
	if s.rotate.Compress {
		s.roller.Compression = "gzip"
	}
	return err
}

func (s *sink) write(b []byte) error {
	switch {
	case s.file != nil:
		_, err := s.file.Write(b)
		return err
	case s.roller == nil:
		_, err := s.w.Write(b)
		return err
	}
	var failed error
	if s.size > 0 && s.size+int64(len(b)) > s.rotate.Size {
		// Lines matter more than sizes: go on with the old file if need be.
		if failed = s.roller.RotateWithReason("size"); failed == nil {
			s.size = 0
		}
	}
	n, err := s.roller.Write(b)
	s.size += int64(n)
	if err == nil && failed != nil {
		return fmt.Errorf("rotate: %w", failed)
	}
	return err
}

func (s *sink) reopen() error {
	if s.path == "" {
		return nil
	}
	return s.open()
}

func (s *sink) close() error {
	switch {
	case s.file != nil:
		return s.file.Close()
	case s.roller != nil:
		return s.roller.Close()
	}
	return nil
}
