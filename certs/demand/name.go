package demand

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

var (
	errEmpty    = errors.New("is empty")
	errLong     = errors.New("is longer than 253 bytes")
	errAddress  = errors.New("is an address")
	errLabel    = errors.New("labels are 1 to 63 lower-case letters, digits and hyphens, with no hyphen at an end")
	errReserved = errors.New(`a label with hyphens in the third and fourth place has to begin with "xn--"`)
	errOneLabel = errors.New("has one label")
	errInternal = errors.New("is an internal name, which no public authority certifies")
	errUnlisted = errors.New("is below no top-level domain that exists")
	errSuffix   = errors.New("is a public suffix, below which others register names")
)

// internals are suffixes that exist in no public DNS: RFC 6761, RFC 6762 (with its
// appendix G), RFC 7686, RFC 8375, RFC 9476, and internal by ICANN's decision. Of arpa
// no part names a site.
func internals() []string {
	return []string{
		"localhost", "local", "internal", "test", "invalid", "example", "onion", "alt", "arpa",
		"localdomain", "lan", "home", "corp", "intranet", "private",
	}
}

// registrable checks that a public authority could certify name, and returns the part of
// it that somebody has registered: "example.co.uk" of "www.example.co.uk".
func registrable(name string) (string, error) {
	if err := checkLabels(name); err != nil {
		return "", err
	}
	dot := strings.LastIndexByte(name, '.')
	top := name[dot+1:]
	if top[0] >= '0' && top[0] <= '9' {
		if _, err := netip.ParseAddr(name); err == nil {
			return "", errAddress
		}
	}
	if slices.Contains(internals(), top) {
		return "", errInternal
	}
	if dot < 0 {
		return "", errOneLabel
	}
	if !listed(top) {
		return "", errUnlisted
	}
	suffix, _ := publicsuffix.PublicSuffix(name)
	if len(suffix) >= len(name) {
		return "", errSuffix
	}
	return name[1+strings.LastIndexByte(name[:len(name)-len(suffix)-1], '.'):], nil
}

// listed tells whether top is a top-level domain in the ICANN section of the list. Of
// some, such as ck, only what is below is there.
func listed(top string) bool {
	_, icann := publicsuffix.PublicSuffix(top)
	if !icann {
		_, icann = publicsuffix.PublicSuffix("weir." + top)
	}
	return icann
}

// checkLabels checks the syntax of RFC 1123 §2.1, which is what a certificate may name:
// no underscore, no wildcard, no trailing dot, nothing that two readers see differently.
// Of the labels that RFC 5890 §2.3.1 reserves only A-labels are in use.
func checkLabels(name string) error {
	switch {
	case name == "":
		return errEmpty
	case len(name) > 253:
		return errLong
	case strings.IndexByte(name, ':') >= 0:
		if _, err := netip.ParseAddr(name); err == nil {
			return errAddress
		}
	}
	start := 0
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '.' {
			if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return errLabel
			}
			continue
		}
		label := name[start:i]
		start = i + 1
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errLabel
		}
		if len(label) > 3 && label[2:4] == "--" && label[:2] != "xn" {
			return errReserved
		}
	}
	return nil
}

// quote shortens what a client may have sent.
func quote(name string) string {
	if len(name) > 253 {
		return fmt.Sprintf("%.60q…", name)
	}
	return fmt.Sprintf("%q", name)
}
