package static

import "strings"

// kind is the media type of a file.
type kind struct {
	value string // Content-Type, charset included
	// packed says that the format is compressed already: nobody makes a smaller
	// sibling of such a file.
	packed bool
}

// typeOf goes by the name. The table is our own: what the host has installed
// must not decide what a browser runs.
func (h *Handler) typeOf(name string) kind {
	base := name[strings.LastIndexByte(name, '/')+1:]
	ext := ""
	if i := strings.LastIndexByte(base, '.'); i >= 0 {
		ext = lower(base[i:])
	}
	if value, ok := h.types[ext]; ok {
		return kind{value: h.withCharset(value)}
	}
	if value, ok := plainTypes[ext]; ok {
		return kind{value: h.withCharset(value)}
	}
	if value, ok := packedTypes[ext]; ok {
		return kind{value, true}
	}
	return kind{value: "application/octet-stream"}
}

func (h *Handler) withCharset(value string) string {
	if strings.HasPrefix(value, "text/") && !strings.Contains(value, ";") {
		return value + h.charset
	}
	return value
}
