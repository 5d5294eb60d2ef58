package main

import (
	"strconv"
	"strings"
)

// demangled returns the path of a function of Rust's, whose name compilers write as
// _ZN, then each part after its length, then a hash. Other names stay as they are.
func demangled(name string) string {
	rest, ok := strings.CutPrefix(name, "_ZN")
	if !ok {
		return name
	}
	var parts []string
	for !strings.HasPrefix(rest, "E") {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n <= 0 || n > len(rest)-digits {
			return name
		}
		parts = append(parts, rest[digits:digits+n])
		rest = rest[digits+n:]
	}
	if last := len(parts) - 1; last > 0 && len(parts[last]) == 17 && parts[last][0] == 'h' {
		parts = parts[:last]
	}
	for i := range parts {
		parts[i] = escapes.Replace(strings.TrimPrefix(parts[i], "_$"))
	}
	return strings.Join(parts, "::")
}

// escapes are what stands in names for what assemblers do not take. One at the beginning
// of a part has an underscore before it.
var escapes = strings.NewReplacer(
	"..", "::", "LT$", "<", "$LT$", "<", "$GT$", ">", "$u20$", " ", "$u7b$", "{", "u7b$", "{", "$u7d$", "}", "$RF$", "&", "RF$", "&", "$BP$", "*", "$C$", ",",
	"$LP$", "(", "$RP$", ")", "$u5b$", "[", "$u5d$", "]", "$u27$", "'", "$u2b$", "+", "$u3b$", ";",
)
