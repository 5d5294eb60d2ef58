package dns01

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Inside this package a name is absolute, in lower case and without the last dot:
// "_acme-challenge.example.com".

// cleanName brings a name into that form. Names that are not ASCII, or that no record
// can have, are an error.
func cleanName(name string) (string, error) {
	clean := strings.ToLower(strings.TrimSuffix(name, "."))
	if err := checkName(clean); err != nil {
		return "", fmt.Errorf("name %.300q: %w", name, err)
	}
	return clean, nil
}

func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return errors.New("1 to 253 bytes are possible")
	}
	for i, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("each part between dots has 1 to 63 bytes")
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			case c == '*' && i == 0 && label == "*":
			case c >= 0x80:
				return errors.New("write what is not ASCII in its xn-- form (punycode)")
			default:
				return fmt.Errorf("%q cannot be in it", c)
			}
		}
	}
	return nil
}

// recordName makes an absolute name of one that is relative to a zone, as libdns has
// them, and checks both.
func recordName(relative, zone string) (name, in string, err error) {
	if in, err = cleanName(zone); err != nil {
		return "", "", fmt.Errorf("zone: %w", err)
	}
	switch {
	case relative == "" || relative == "@":
		return in, in, nil
	case strings.HasSuffix(relative, "."):
		// Absolute where it should be relative: taken if there is no doubt.
		if name, err = cleanName(relative); err != nil {
			return "", "", err
		}
		if !within(name, in) {
			return "", "", fmt.Errorf("name %q is not in zone %q", name, in)
		}
		return name, in, nil
	}
	name, err = cleanName(relative + "." + in)
	return name, in, err
}

// relative is the part of name before zone, or apex if there is none.
func relative(name, zone, apex string) string {
	if name == zone {
		return apex
	}
	return strings.TrimSuffix(name, "."+zone)
}

// within reports whether name is zone or below it.
func within(name, zone string) bool {
	return name == zone || strings.HasSuffix(name, "."+zone)
}

// ancestors are the name itself and what it is below of, down to names of one label.
func ancestors(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(name) {
			_, parent, more := strings.Cut(name, ".")
			if !more {
				return
			}
			name = parent
		}
	}
}
