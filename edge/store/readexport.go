package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readExport calls each with all entries, and returns an error if r is not a whole
// export. So each hears of entries before that is known.
func readExport(r io.Reader, each func(exportEntry) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), longestLine)
	sum := sha256.New()
	var header exportHeader
	if !lines.Scan() || strictly(lines.Bytes(), &header) != nil || header.Format != exportFormat {
		return errors.Join(fmt.Errorf("line 1: %w: this is no export of a store", ErrInvalid), lines.Err())
	}
	if header.Version != exportVersion {
		return fmt.Errorf("line 1: %w: export of version %d, this program knows %d", ErrInvalid, header.Version, exportVersion)
	}
	last := ""
	n := int64(0)
	for line := 2; ; line++ {
		sum.Write(lines.Bytes())
		sum.Write([]byte{'\n'})
		if !lines.Scan() {
			return errors.Join(fmt.Errorf("line %d: %w: the file was cut: its last line is not there", line, ErrInvalid), lines.Err())
		}
		var trailer exportTrailer
		if strictly(lines.Bytes(), &trailer) == nil && trailer.Entries != nil {
			if *trailer.Entries != n || trailer.Sum != sumOf(sum) {
				return fmt.Errorf("line %d: %w: the file was changed: its sum is another", line, ErrInvalid)
			}
			if lines.Scan() {
				return fmt.Errorf("line %d: %w: something follows the last line", line+1, ErrInvalid)
			}
			return lines.Err()
		}
		var e exportEntry
		if err := strictly(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("line %d: %w: %w", line, ErrInvalid, err)
		}
		if err := e.valid(last); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if err := each(e); err != nil {
			return err
		}
		last = e.Key
		n++
	}
}

func (e exportEntry) valid(last string) error {
	if err := ValidKey(e.Key); err != nil {
		return err
	}
	if e.Key <= last {
		return fmt.Errorf("key %q: %w: not in order", e.Key, ErrInvalid)
	}
	if len(e.Value) > MaxValue {
		return fmt.Errorf("key %q: value of %d bytes: %w", e.Key, len(e.Value), ErrInvalid)
	}
	return nil
}

// strictly decodes one JSON value that has no fields of other names and nothing behind it.
func strictly(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}
