package storage_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs/storage"
)

func TestReadKey(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{0xfb, 0xef, 0x01, 0}, 8)
	for _, tt := range []struct {
		name, file string
		ok         bool
	}{
		{"raw", string(key), true},
		{"hexadecimal", hex.EncodeToString(key), true},
		{"hexadecimal with newline", strings.ToUpper(hex.EncodeToString(key)) + "\r\n", true},
		{"base64", base64.StdEncoding.EncodeToString(key) + "\n", true},
		{"base64 without padding", base64.RawStdEncoding.EncodeToString(key), true},
		{"base64 for URLs", base64.URLEncoding.EncodeToString(key), true},
		{"empty", "", false},
		{"raw, short", string(key[:31]), false},
		{"raw with newline", string(key) + "\n", false},
		{"hexadecimal, short", hex.EncodeToString(key[:31]), false},
		{"32 digits", hex.EncodeToString(key[:16]), false},
		{"base64, short", base64.StdEncoding.EncodeToString(key[:16]), false},
		{"a password", "correct horse battery staple, 32", false},
		{"too much", strings.Repeat("ab", 100), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := storage.ReadKey(path)
			if tt.ok && (err != nil || !bytes.Equal(got, key)) {
				t.Errorf("got %x, %v", got, err)
			}
			if !tt.ok && (err == nil || !strings.Contains(err.Error(), path) || len(tt.file) > 0 && strings.Contains(err.Error(), tt.file)) {
				t.Errorf("got %x, %v; want an error that names the file and not its content", got, err)
			}
		})
	}
}

func TestReadKey_RefusesWhatEverybodyMayRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.ReadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("got %v", err)
	}
	if _, err := storage.ReadKey(filepath.Dir(path)); err == nil {
		t.Error("a directory is a key")
	}
}
