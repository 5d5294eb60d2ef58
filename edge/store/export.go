package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"
)

// An export is lines of JSON: a header, one line for each entry in the order of keys,
// and a trailer with their number and the SHA-256 of all lines before it. So a file that
// was cut or changed is noticed before anything of it is used. Leases and versions are
// not in it.
type (
	exportHeader struct {
		Format  string    `json:"format"` // exportFormat
		Version int       `json:"version"`
		Made    time.Time `json:"made"` // by the engine's clock
	}
	exportEntry struct {
		Key     string     `json:"key"`
		Value   []byte     `json:"value"` // base64
		Expires *time.Time `json:"expires,omitempty"`
	}
	exportTrailer struct {
		Entries *int64 `json:"entries"`
		Sum     string `json:"sha256"` // hex
	}
)

const (
	exportFormat  = "weir store export"
	exportVersion = 1
	// longestLine: a value in base64, and a key of characters that JSON writes as \uXXXX.
	longestLine = MaxValue/3*4 + 6*MaxKey + 256
)

// Export writes all entries and their expiry to w, and returns how many. What is written
// to the store meanwhile may be in it or not. It holds what is secret in the store.
func (s *Store) Export(ctx context.Context, w io.Writer) (int64, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	buffered := bufio.NewWriterSize(w, 64<<10)
	sum := sha256.New()
	lines := json.NewEncoder(io.MultiWriter(buffered, sum))
	if err := lines.Encode(exportHeader{exportFormat, exportVersion, now.UTC()}); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	var n int64
	for e, err := range s.All(ctx, "") {
		if err != nil {
			return n, fmt.Errorf("export: %w", err)
		}
		line := exportEntry{Key: e.Key, Value: e.Value}
		if !e.Expires.IsZero() {
			at := e.Expires.UTC()
			line.Expires = &at
		}
		if err := lines.Encode(line); err != nil {
			return n, fmt.Errorf("export %q: %w", e.Key, err)
		}
		n++
	}
	if err := json.NewEncoder(buffered).Encode(exportTrailer{&n, sumOf(sum)}); err != nil {
		return n, fmt.Errorf("export: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return n, fmt.Errorf("export: %w", err)
	}
	return n, nil
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
