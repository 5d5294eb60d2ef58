package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// sizeUnits are the factors of what may follow a number, in capitals.
var sizeUnits = []struct {
	name   string
	factor int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

var errSize = errors.New("a number and a unit")

// parseSize reads "512", "512B", "10MB", "1.5GiB" as bytes.
func parseSize(s string) (int64, error) {
	digits := strings.TrimLeft(s, "0123456789.")
	number, unit := s[:len(s)-len(digits)], strings.TrimSpace(digits)
	factor := int64(0)
	if unit == "" {
		factor = 1
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, unit) {
			factor = u.factor
		}
	}
	if factor == 0 && len(unit) == 1 && strings.Contains("kKmMgGtT", unit) {
		u := strings.ToUpper(unit)
		return 0, &problem{strconv.Quote(short(s)) + " may mean two sizes", "write " + number + u + "iB for powers of 1024, " + number + u + "B for powers of 1000"}
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil && factor > 0 {
		if whole > math.MaxInt64/factor {
			return 0, errors.New("the size " + strconv.Quote(short(s)) + " is too large")
		}
		return whole * factor, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || factor == 0 || f*float64(factor) > math.MaxInt64/2 {
		return 0, errSize
	}
	return int64(f * float64(factor)), nil
}

// printSize is the inverse of parseSize, in the largest unit that is exact.
func printSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.factor == 0 && u.factor > 1 {
			return strconv.FormatInt(n/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// size is a number of bytes from low on; zero is written as the word zero, if that
// is not empty.
func size(low int64, zero string) shape[int64] {
	want := "a size such as 32KiB or 10MB"
	if zero != "" {
		want += ", or " + zero
	}
	return scalar[int64]{
		want:   want,
		schema: schema{"type": []string{"string", "integer"}},
		print: func(n int64) string {
			if n == 0 && zero != "" {
				return zero
			}
			return printSize(n)
		},
		parse: func(s string) (int64, error) {
			if zero != "" && s == zero {
				return 0, nil
			}
			n, err := parseSize(s)
			switch {
			case errors.Is(err, errSize):
				return 0, errors.New("want " + want + ", got " + strconv.Quote(short(s)))
			case err != nil:
				return 0, err
			case n == 0 && zero != "":
				return 0, &problem{"want " + want + ", got 0", "write " + zero + " for no limit"}
			case n < low:
				return 0, errors.New("want at least " + printSize(low) + ", got " + strconv.Quote(short(s)))
			}
			return n, nil
		},
	}.shape()
}

// rate is a number of bytes per second; zero is "none".
var rate = scalar[int64]{
	want:   "a rate such as 240B/s, or none",
	schema: schema{"type": "string"},
	print: func(n int64) string {
		if n == 0 {
			return "none"
		}
		return printSize(n) + "/s"
	},
	parse: func(s string) (int64, error) {
		if s == "none" {
			return 0, nil
		}
		number, ok := strings.CutSuffix(s, "/s")
		n, err := parseSize(number)
		if err != nil || n <= 0 || !ok {
			return 0, &problem{"want a rate such as 240B/s, or none, got " + strconv.Quote(short(s)), "a rate is a size and /s"}
		}
		return n, nil
	},
}.shape()

// maxDuration keeps sums of durations far from overflow.
const maxDuration = 100 * 365 * day

const day = 24 * time.Hour

var longUnits = []struct {
	name   string
	length time.Duration
}{{"y", 365 * day}, {"w", 7 * day}, {"d", day}}

// parseDuration reads "10s", "1m30s", and beyond Go's units "1y", "2w", "7d", which
// must come first.
func parseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New("empty")
	}
	var total time.Duration
	for _, u := range longUnits {
		number, rest, found := strings.Cut(s, u.name)
		if !found || strings.Trim(number, "0123456789") != "" {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || time.Duration(n) > maxDuration/u.length {
			return 0, errors.New("too long")
		}
		if total, s = total+time.Duration(n)*u.length, rest; total > maxDuration {
			return 0, errors.New("too long")
		}
		if s == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxDuration-total {
		return 0, errors.New("no duration")
	}
	return total + d, nil
}

// printDuration is the inverse of parseDuration.
func printDuration(d time.Duration) string {
	days := d / day
	out := ""
	if days > 0 {
		out = strconv.FormatInt(int64(days), 10) + "d"
		if d -= days * day; d == 0 {
			return out
		}
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return out + s
}

// duration is a time span of low at least; zero is written as the word zero, if that
// is not empty.
func duration(low time.Duration, zero string) shape[time.Duration] {
	return between(low, maxDuration, zero)
}

// between is a duration of high at most.
func between(low, high time.Duration, zero string) shape[time.Duration] {
	want := "a duration such as 10s, 1m30s or 7d"
	if zero != "" {
		want += ", or " + zero
	}
	return scalar[time.Duration]{
		want:   want,
		schema: schema{"type": "string"},
		print: func(d time.Duration) string {
			if d == 0 && zero != "" {
				return zero
			}
			return printDuration(d)
		},
		parse: func(s string) (time.Duration, error) {
			if zero != "" && s == zero {
				return 0, nil
			}
			d, err := parseDuration(s)
			if err != nil {
				p := &problem{message: "want " + want + ", got " + strconv.Quote(short(s))}
				if _, err := strconv.Atoi(s); err == nil {
					p.hint = "a duration has a unit: " + s + "s"
				}
				return 0, p
			}
			if d < low {
				return 0, errors.New("want at least " + printDuration(low) + ", got " + strconv.Quote(short(s)))
			}
			if d > high {
				return 0, errors.New("want at most " + printDuration(high) + ", got " + strconv.Quote(short(s)))
			}
			return d, nil
		},
	}.shape()
}
