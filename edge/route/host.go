package route

import (
	"errors"
	"net/netip"
	"strings"
)

// defaultHost is the key of the rules for all hosts that none names.
const defaultHost = ""

func hostName(key string) string {
	if key == defaultHost {
		return "default"
	}
	return key
}

// parseHost returns the host in the form that requests have it in.
func parseHost(host string) (string, error) {
	if host == "default" || host == defaultHost {
		return defaultHost, nil
	}
	host = lower(host)
	name, wild := strings.CutPrefix(host, "*.")
	if strings.Contains(name, ":") {
		if wild || strings.Count(name, ":") < 2 {
			return "", errors.New("has a colon: a port is no part of it")
		}
		ip, err := netip.ParseAddr(name)
		if err != nil || ip.Zone() != "" {
			return "", errors.New("is no IPv6 address")
		}
		return ip.String(), nil // the one spelling that requests have it in
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return "", errors.New("has an empty label")
		}
		for i := range len(label) {
			c := label[i]
			switch {
			case c == '*':
				return "", errors.New("has a * that is not its whole first label (for every host write default)")
			case c >= 0x80:
				return "", errors.New("is not ASCII: write the form that starts with xn--")
			case !isLetter(rune(c)) && (c < '0' || c > '9') && c != '-' && c != '_':
				return "", errors.New("is not a host name")
			}
		}
	}
	return host, nil
}
