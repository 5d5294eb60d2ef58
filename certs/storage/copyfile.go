package storage

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
)

// newCopy is what the names of files begin with that are being written.
const newCopy = ".new-"

// writeCopy writes a whole file, or none, and waits for the disk if told to.
func writeCopy(root *os.Root, name string, r Record, wait bool) error {
	temp := newCopy + rand.Text()
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(encodeCopy(r))
	if wait && err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		_ = root.Remove(temp)
		return err
	}
	if !wait {
		return nil
	}
	if dir, err := root.Open("."); err == nil {
		_ = dir.Sync() // not every file system can
		_ = dir.Close()
	}
	return nil
}

// readCopy reads what writeCopy wrote.
func readCopy(root *os.Root, name string) (Record, error) {
	f, err := root.Open(name)
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostCopied+64))
	if err != nil {
		return Record{}, err
	}
	return decodeCopy(b)
}

// mostCopied is the longest key and value that are copied.
const mostCopied = 1 << 20

// A copy is copyMagic, a sum of all that follows, the length of the key, the key, and the
// value.
const copyMagic = "weir copy 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeCopy(r Record) []byte {
	b := append([]byte(copyMagic), 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Key)))
	b = append(append(b, r.Key...), r.Value...)
	binary.BigEndian.PutUint32(b[len(copyMagic):], crc32.Checksum(b[len(copyMagic)+4:], castagnoli))
	return b
}

func decodeCopy(b []byte) (Record, error) {
	rest, ok := bytes.CutPrefix(b, []byte(copyMagic))
	if !ok || len(rest) < 8 || binary.BigEndian.Uint32(rest) != crc32.Checksum(rest[4:], castagnoli) {
		return Record{}, ErrDamaged
	}
	size, rest := binary.BigEndian.Uint32(rest[4:]), rest[8:]
	if uint64(size) > uint64(len(rest)) {
		return Record{}, ErrDamaged
	}
	return Record{string(rest[:size]), rest[size:]}, nil
}

// fileName returns the file of a key: readable, the same on file systems that do not
// tell case, never two keys in one. One that would be too long is cut and gets a sum.
func fileName(key string) string {
	name := escape(key)
	if len(name) <= 200 {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	return name[:120] + "~" + hex.EncodeToString(sum[:16])
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

func escape(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; plain(c) && (c != '.' || i > 0) { // a dot in front would hide the file
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func unescape(name string) (string, bool) {
	var key []byte
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case plain(c):
		case c != '%' || i+2 >= len(name):
			return "", false
		default:
			b, err := hex.DecodeString(name[i+1 : i+3])
			if err != nil {
				return "", false
			}
			c, i = b[0], i+2
		}
		key = append(key, c)
	}
	return string(key), len(key) > 0
}
