package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// origin is what the URL of an Endpoint says.
type origin struct {
	protocol string // http, https, h2, h2c, h3
	host     string // a name or an address; "" for unix
	port     string
	lookup   string // what name servers are asked for: with its final dot, if it has one
	service  string // the name of SRV records, "" without
	socket   string // the path of a unix socket, "" without
}

// schemes has the port that a URL without one means.
var schemes = map[string]string{"http": "80", "https": "443", "h2": "443", "h2c": "80", "h3": "443"}

// socketLongest is what a path in sockaddr_un may have, without its final NUL.
const socketLongest = 107

func parseOrigin(raw string) (origin, error) {
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok {
		return origin{}, errors.New("no scheme, such as http://")
	}
	if scheme == "unix" {
		rest = strings.TrimPrefix(rest, "//")
		if !path.IsAbs(rest) || strings.IndexByte(rest, 0) >= 0 || len(rest) > socketLongest {
			return origin{}, fmt.Errorf("want unix:/path, absolute and of at most %d bytes", socketLongest)
		}
		return origin{protocol: "http", socket: rest}, nil
	}
	o := origin{}
	var srv bool
	o.protocol, srv = strings.CutPrefix(scheme, "srv+")
	usual, known := schemes[o.protocol]
	if !known {
		return origin{}, fmt.Errorf("unknown scheme %q: want http, https, h2, h2c, h3, unix, or srv+ and one of them", scheme)
	}
	if rest, ok = strings.CutPrefix(rest, "//"); !ok {
		return origin{}, errors.New("want // behind the scheme")
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#@") {
		return origin{}, errors.New("want a host and a port only: no path, no query, no user")
	}
	_, host, port, err := exchange.ParseAuthority(rest)
	if err != nil {
		return origin{}, err
	}
	o.lookup = host
	if strings.HasSuffix(strings.TrimSuffix(rest, ":"+port), ".") {
		o.lookup += "." // it is not to be looked for in search domains
	}
	if srv {
		if port != "" {
			return origin{}, errors.New("SRV records say the port")
		}
		o.service = o.lookup
		return o, nil
	}
	if port == "" {
		port = usual
	}
	if strings.Trim(port, "0") == "" {
		return origin{}, errors.New("port is 0")
	}
	o.host, o.port = host, strings.TrimLeft(port, "0")
	return o, nil
}

// tls tells whether the protocol has TLS.
func (o origin) tls() bool { return o.protocol == "https" || o.protocol == "h2" || o.protocol == "h3" }

// http1 tells whether the protocol is HTTP/1.1.
func (o origin) http1() bool { return o.protocol == "http" || o.protocol == "https" }

// literal returns the one place that needs no resolving.
func (o origin) literal(weight int) (place, bool) {
	if o.socket != "" {
		return place{protocol: o.protocol, network: "unix", address: o.socket, authority: "localhost", server: "localhost", weight: weight}, true
	}
	ip, err := netip.ParseAddr(o.host)
	if o.service != "" || err != nil {
		return place{}, false
	}
	return o.at(o.host, ip, o.port, weight), true
}

// at is the place that name has at ip.
func (o origin) at(name string, ip netip.Addr, port string, weight int) place {
	return place{
		protocol: o.protocol, network: "tcp",
		address:   net.JoinHostPort(ip.Unmap().String(), port),
		authority: authorityOf(o.protocol, name, port),
		server:    name, weight: weight,
	}
}

// authorityOf leaves out the port that goes without saying (RFC 9110 §4.2.3).
func authorityOf(protocol, name, port string) string {
	if (port == "80" && (protocol == "http" || protocol == "h2c")) || (port == "443" && protocol != "http" && protocol != "h2c") {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return net.JoinHostPort(name, port)
}

// place is where an endpoint is, once its name has been resolved.
type place struct {
	protocol  string
	network   string // tcp or unix
	address   string // ip:port or a path
	authority string // what it is asked for where nobody says
	server    string // the name that its certificate has
	weight    int
	tier      int // those of a higher one stand by
}

// key is what makes two places the same endpoint, now and after resolving again.
func (p place) key() string { return p.protocol + " " + p.address + " " + p.server }

func (p place) scheme() string {
	if p.protocol == "http" || p.protocol == "h2c" {
		return "http"
	}
	return "https"
}
