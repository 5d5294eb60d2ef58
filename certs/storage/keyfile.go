package storage

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// howToKey ends errors of key files.
const howToKey = "make one with: openssl rand -base64 32"

// ReadKey reads a secret for [Seal] from a file: 32 to 64 bytes, as hexadecimal digits, as
// base64, or, if they are 32, as they are. A file that every user of the machine may read
// is refused, and one that is too short. Errors do not show what the file holds.
func ReadKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("read key: %s is a directory", path)
	case info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("read key: every user of this machine can get at %s: chmod 600 %[1]s", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := parseKey(b)
	if err != nil {
		return nil, fmt.Errorf("read key: %s: %w: %s", path, err, howToKey)
	}
	return key, nil
}

func parseKey(b []byte) ([]byte, error) {
	if !printable(b) { // 32 random bytes are text once in 10^13 times
		if len(b) != leastSecret {
			return nil, fmt.Errorf("%d bytes, want %d", len(b), leastSecret)
		}
		return b, nil
	}
	text := strings.TrimSpace(string(b))
	key, err := hex.DecodeString(text)
	if err != nil {
		code := base64.RawStdEncoding
		if strings.ContainsAny(text, "-_") {
			code = base64.RawURLEncoding
		}
		if key, err = code.DecodeString(strings.TrimRight(text, "=")); err != nil {
			return nil, errors.New("it is neither hexadecimal nor base64")
		}
	}
	if len(key) < leastSecret || len(key) > 64 {
		return nil, fmt.Errorf("%d bytes, want %d to 64", len(key), leastSecret)
	}
	return key, nil
}

func printable(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}
