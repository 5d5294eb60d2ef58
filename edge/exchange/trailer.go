package exchange

import "strings"

// TrailerFate says what becomes of a trailer field, by its name in lower case
// (RFC 9110 §6.5.1). Fields that frame or route a message are smuggling there: from
// a client they are forbidden, and the message with them. Fields that change how it
// is processed, or say who asks, come too late to be believed: they are not kept.
func TrailerFate(name string) (keep, forbidden bool) {
	switch name {
	case "connection", "content-length", "host", "transfer-encoding", "upgrade":
		return false, true
	case "authorization", "cache-control", "content-encoding", "content-range",
		"content-type", "cookie", "expect", "forwarded", "if-match", "if-modified-since",
		"if-none-match", "if-range", "if-unmodified-since", "keep-alive", "max-forwards",
		"origin", "pragma", "proxy-authenticate", "proxy-authorization", "proxy-connection",
		"range", "set-cookie", "te", "trailer", "www-authenticate", "x-real-ip":
		return false, false
	}
	return !strings.HasPrefix(name, "x-forwarded-"), false
}
