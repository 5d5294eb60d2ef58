package listen

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

type kind uint8

const (
	kindIP kind = iota
	kindUnix
	kindSystemd
	kindFD
)

// address is a parsed listen address.
type address struct {
	kind kind
	host string      // kindIP: "" for every address of the machine, IPv4 and IPv6
	port uint16      // kindIP
	path string      // kindUnix; starts with @ for the abstract namespace of Linux
	mode fs.FileMode // kindUnix; 0 leaves it to the umask
	name string      // kindSystemd
	fd   int         // kindFD
}

// Key returns the one spelling of an address that all others of the same socket
// share, so that a reload can tell which sockets stay; or the error that opening
// it would give for its form. The forms are:
//
//	:80  [::]:80           every address of the machine, IPv4 and IPv6
//	0.0.0.0:80             every IPv4 address
//	127.0.0.1:80  [::1]:443  localhost:8080
//	unix:/run/weir.sock    and unix:/run/weir.sock?mode=0660
//	unix:@name             abstract namespace, Linux only
//	systemd:name           socket activation, by FileDescriptorName=
//	fd:3                   any socket inherited from the parent process
//
// The mode of a unix socket is no part of its key.
func Key(addr string) (string, error) {
	a, err := parse(addr)
	if err != nil {
		return "", err
	}
	return a.key(), nil
}

func (a *address) key() string {
	switch a.kind {
	case kindUnix:
		return "unix:" + a.path
	case kindSystemd:
		return "systemd:" + a.name
	case kindFD:
		return "fd:" + strconv.Itoa(a.fd)
	}
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

func parse(s string) (address, error) {
	scheme, rest, _ := strings.Cut(s, ":")
	switch strings.ToLower(scheme) {
	case "unix":
		return parseUnix(s, rest)
	case "systemd":
		if rest == "" || strings.ContainsAny(rest, ":/ ") {
			return address{}, badAddress(s, "write systemd:NAME, the FileDescriptorName= of a socket unit")
		}
		return address{kind: kindSystemd, name: rest}, nil
	case "fd":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 3 || strconv.Itoa(n) != rest {
			return address{}, badAddress(s, "write fd:N with N from 3 on (0 to 2 are standard input and output)")
		}
		return address{kind: kindFD, fd: n}, nil
	}
	return parseIP(s)
}

func parseUnix(s, rest string) (address, error) {
	path, query, asked := strings.Cut(rest, "?")
	a := address{kind: kindUnix}
	if asked {
		octal, ok := strings.CutPrefix(query, "mode=")
		mode, err := strconv.ParseUint(octal, 8, 16)
		if !ok || err != nil || mode == 0 || mode > 0o777 {
			return a, badAddress(s, `after "?" only an octal mode=0660 may follow`)
		}
		a.mode = fs.FileMode(mode)
	}
	switch {
	case strings.ContainsRune(path, 0):
		return a, badAddress(s, "the path holds a NUL byte")
	case strings.HasPrefix(path, "@") && len(path) > 1:
		a.path = path
		if asked {
			return a, badAddress(s, "an abstract socket has no mode")
		}
	case filepath.IsAbs(path) && filepath.Clean(path) != "/":
		a.path = filepath.Clean(path)
	default:
		return a, badAddress(s, "write unix:/absolute/path")
	}
	// sun_path holds 108 bytes on Linux with its closing NUL; the BSDs take 104.
	if len(a.path) > 107 {
		return a, badAddress(s, fmt.Sprintf("the path is %d bytes long, sockets take at most 107", len(a.path)))
	}
	return a, nil
}

func parseIP(s string) (address, error) {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return address{}, badAddress(s, "did you mean :"+s+"?")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return address{}, badAddress(s, "write :PORT, HOST:PORT, [IPV6]:PORT, unix:/PATH, systemd:NAME or fd:N")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, badAddress(s, fmt.Sprintf("port %q is not a number from 0 to 65535", port))
	}
	a := address{port: uint16(n), host: strings.ToLower(host)}
	if ip, err := netip.ParseAddr(host); err == nil {
		a.host = ip.Unmap().String()
		if ip == netip.IPv6Unspecified() {
			a.host = ""
		}
	} else if strings.ContainsAny(host, ":%/ \x00") || strings.HasPrefix(host, "*") {
		return a, badAddress(s, fmt.Sprintf("%q is no IP address or host name; leave it out for all addresses", host))
	}
	return a, nil
}

// network returns the network for package net. The explicit 0.0.0.0 means IPv4
// alone, where Go by itself would open a socket for both families.
func (a *address) network(stream bool) string {
	network := "udp"
	if stream {
		network = "tcp"
	}
	if a.host == "0.0.0.0" {
		network += "4"
	}
	return network
}

func badAddress(addr, hint string) error {
	return fmt.Errorf("listen address %q: %s", addr, hint)
}
