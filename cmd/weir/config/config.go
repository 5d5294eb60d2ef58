package config

import (
	"net/netip"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// Pos is where in a file something was written. Line and Col count from 1, Col in
// characters; a zero Line means that it was not written but is a default.
type Pos struct {
	File      string
	Line, Col int
}

// String gives "file:line:column", or "default" for what was not written.
func (p Pos) String() string {
	if p.Line == 0 {
		return "default"
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Config is one configuration file, complete: every default is filled in. It is
// never changed once it has been returned, so anyone may read it at any time.
type Config struct {
	Pos Pos
	// File is the name the file was read by, Dir the directory that its relative
	// paths were resolved against.
	File, Dir string
	// Data is the directory for what weir keeps: the internal CA, the store that is a
	// file, local copies. Empty: the program chooses.
	Data string
	// Store is what nodes share; never nil.
	Store *Store
	// Listen, Admin, Limits, Timeouts, Memory hold for the whole process.
	Listen   Listen
	Admin    Admin
	Limits   Limits
	Timeouts Timeouts
	Memory   Memory
	// Log is the access log of every site that says nothing else, and its Level
	// that of the program's own log.
	Log Log
	// ServerHeader is the value of the Server field; empty: the field is not sent.
	ServerHeader string
	// TLS has the defaults of all sites; Mode, Cert, Key, ACME and Profile are empty here.
	TLS TLS
	CA  CA
	// ACME has the public authorities in order of preference; at least one.
	ACME         []Issuer
	Certificates Certificates
	OnDemand     OnDemand
	// Headers, Compress and Errors hold for every site. Headers come before (that
	// is, outside) those of the site; Compress is never nil; Errors are asked after
	// those of route and site.
	Headers  *Headers
	Compress *Compress
	Errors   []ErrorPage
	// Cache is where responses are kept.
	Cache CacheStore
	// Trusted are the proxies before weir.
	Trusted TrustedProxies
	// Upstreams are pools that Proxy.Upstream and others name, in the order of the file.
	Upstreams []*Pool
	// Plugins are what PluginUse.Name names, in the order of the file.
	Plugins []*Plugin
	// Filters hold for every site, outside of its own.
	Filters []PluginUse
	// Sites in the order of the file.
	Sites []*Site

	// Warnings are what is allowed and yet looks like a mistake; may be empty.
	Warnings Errors

	// symbols keeps what was written where a value came from a variable, a file or
	// a relative path, by the address of the field that holds the value.
	symbols map[any]*yaml.Node
}

// Listen has the sockets that clients connect to.
type Listen struct {
	Pos Pos
	// HTTP and HTTPS are the plain and the TLS listeners. Either may be empty, not both.
	HTTP, HTTPS []Listener
}

// Listener is one address to listen on.
type Listener struct {
	Pos Pos
	// Address is "host:port", ":port", "unix:/path", "systemd:name" or "fd:number".
	Address string
	// ProxyProtocol has the networks whose connections begin with a PROXY header.
	ProxyProtocol []Network
	// H2C allows HTTP/2 without TLS by prior knowledge (HTTP listeners only).
	H2C bool
	// HTTP3 also listens on the UDP port of the same number (HTTPS listeners only).
	HTTP3 bool
	// Mode has the permission bits of a unix socket; zero: 0o660.
	Mode uint32
}

// Network is a set of addresses by one name: a prefix, an address, "private" or
// "loopback".
type Network struct {
	Text     string
	Prefixes []netip.Prefix
}

// Admin is the listener for health, metrics and control.
type Admin struct {
	Pos Pos
	// Address as in Listener; empty: there is none.
	Address string
}

// Limits bound what clients may ask for. Sizes are bytes; 0 means no limit where
// the comment says so, and does not occur elsewhere.
type Limits struct {
	Pos                   Pos
	HeaderBytes           int64 // the whole header block
	HeaderFields          int
	RequestLine           int64
	Body                  int64 // 0: no limit
	Connections           int   // 0: no limit
	ConnectionsPerIP      int   // 0: no limit; an IPv6 /64 counts as one address
	RequestsPerConnection int   // 0: no limit
	Streams               int   // requests at once on one HTTP/2 or HTTP/3 connection
}

// Timeouts bound how long clients may take. None is zero.
type Timeouts struct {
	Pos       Pos
	Handshake time.Duration // from accept to the end of the TLS handshake
	Header    time.Duration // from the first byte of a request to the end of its header
	Idle      time.Duration // between requests
	Write     time.Duration // for a write that makes no progress
	BodyRate  int64         // bytes per second that a body must at least bring
	Drain     time.Duration // for exchanges under way when the process stops
}

// Log says how requests are logged.
type Log struct {
	Pos Pos
	// Format is "auto" (console on a terminal, JSON otherwise), "off", "console",
	// "json", "clf" or "combined".
	Format string
	// Requests says which are written: "all" or "failed".
	Requests string
	// Output is "stderr", "stdout" or the path of a file.
	Output string
	// Level is "debug", "info", "warn" or "error".
	Level  string
	Rotate Rotate
	// Redact names fields whose values are not logged, in lower case.
	Redact []string
	// MaskIP logs the network of a client's address only (IPv4 /24, IPv6 /48).
	MaskIP bool
}

// Rotate says when a log file is put aside.
type Rotate struct {
	Pos      Pos
	Size     int64         // bytes; 0: never by size
	Keep     int           // old files kept; 0: all
	Age      time.Duration // old files are removed after that; 0: never
	Compress bool
}

// Memory has the targets of the garbage collector.
type Memory struct {
	Pos   Pos
	GOGC  int   // percent; 0: the program chooses
	Limit int64 // bytes; 0: the program chooses, by its cgroup
}
