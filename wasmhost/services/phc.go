package services

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// argon2 is a hash of Argon2id (RFC 9106), version 19, as a PHC string has it:
// $argon2id$v=19$m=…,t=…,p=…$salt$hash.
type argon2id struct {
	memory, passes uint32 // KiB, times
	lanes          uint8
	salt, sum      []byte
}

// What of a hash is tried. Hashes come from files that may say anything, and one that
// asks for more would take the machine's memory, or minutes.
const (
	mostMemory = 128 << 10 // KiB
	// commonMemory is what other programs have hashes take that are verified here, and
	// commonWork that in so many passes: a fifth of a second. More is tried one at a time.
	commonMemory = 64 << 10
	commonWork   = 4 * commonMemory
	mostPasses   = 10
	mostLanes    = 4   // each is a goroutine: they keep those waiting who serve
	mostHash     = 512 // bytes of the whole string
)

// parseArgon2id reads the part of a PHC string behind "$argon2id$". The error never shows
// what it read.
func parseArgon2id(s string) (a argon2id, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 4 || parts[0] != "v=19" || strings.ContainsAny(s, "\r\n") { // which base64 would take
		return a, bad("the hash is no PHC string of argon2id, version 19")
	}
	numbers := strings.Split(parts[1], ",")
	if len(numbers) != 3 {
		return a, bad("the hash has other parameters than m, t and p")
	}
	memory, err1 := parameter(numbers[0], "m=", 8, mostMemory)
	passes, err2 := parameter(numbers[1], "t=", 1, mostPasses)
	lanes, err3 := parameter(numbers[2], "p=", 1, mostLanes)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return a, err
		}
	}
	if memory < 8*lanes {
		return a, bad("the hash has less memory than 8 KiB for each of its %d lanes", lanes)
	}
	a = argon2id{memory: memory, passes: passes, lanes: uint8(lanes)}
	if a.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[2]); err != nil || len(a.salt) < 8 || len(a.salt) > 64 {
		return a, bad("the hash has no salt of 8 to 64 bytes")
	}
	if a.sum, err = base64.RawStdEncoding.Strict().DecodeString(parts[3]); err != nil || len(a.sum) < 16 || len(a.sum) > 64 {
		return a, bad("the hash has no sum of 16 to 64 bytes")
	}
	return a, nil
}

// parameter reads "m=19456": digits, without a zero in front.
func parameter(s, name string, least, most uint32) (uint32, error) {
	digits, ok := strings.CutPrefix(s, name)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, bad("the hash has no number %s", name)
	}
	if uint32(n) < least || uint32(n) > most {
		return 0, bad("the hash has %s%d, which is not from %d to %d", name, n, least, most)
	}
	return uint32(n), nil
}

// String gives the PHC string.
func (a argon2id) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("%sv=19$m=%d,t=%d,p=%d$%s$%s", argon2idBegins, a.memory, a.passes, a.lanes, b64(a.salt), b64(a.sum))
}

// large tells whether a hash takes more than is common, or more processors than hashes
// may have.
func (a argon2id) large() bool {
	return a.memory > commonMemory || a.memory*a.passes > commonWork || int(a.lanes) > processors()
}

// weak tells whether a hash takes less work than OWASP's least: 19 MiB in two passes, or
// what it counts as equal.
func (a argon2id) weak() bool {
	return a.memory < 7<<10 || a.memory*a.passes < 35<<10 || len(a.salt) < saltBytes || len(a.sum) < sumBytes
}
