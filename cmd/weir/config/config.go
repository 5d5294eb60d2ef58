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
	// Data is the directory for what weir keeps (the internal CA, later
	// certificates). Empty: the program chooses.
	Data string
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
	// TLS has the defaults of all sites; Mode, Cert and Key are empty here.
	TLS TLS
	CA  CA
	// Headers, Compress and Errors hold for every site. Headers come before (that
	// is, outside) those of the site; Compress is never nil; Errors are asked after
	// those of route and site.
	Headers  *Headers
	Compress *Compress
	Errors   []ErrorPage
	// Sites in the order of the file.
	Sites []*Site

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

// TLS says how a site does TLS.
type TLS struct {
	Pos Pos
	// Mode is "auto", "internal" (the internal CA), "off" or "files".
	Mode string
	// Cert and Key are PEM files, set exactly when Mode is "files".
	Cert, Key string
	// MinVersion is "1.2" or "1.3".
	MinVersion string
	// ClientAuth asks clients for a certificate; nil: it does not.
	ClientAuth *ClientAuth
}

// ClientAuth says which certificates of clients are accepted.
type ClientAuth struct {
	Pos Pos
	// Mode is "require" or "optional". A certificate that is sent is checked in both.
	Mode string
	// CA has the PEM files of the authorities; never empty.
	CA []string
}

// CA is weir's internal certificate authority.
type CA struct {
	Pos Pos
	// Name is the common name of a new root.
	Name string
	// Dir is where it is stored; empty: in the data directory.
	Dir string
}

// Site is what some host names answer.
//
// Its Rule answers requests that none of Routes matches, and need have no action
// when there are routes. Deny, Headers and Limits of a site hold for its routes too,
// outside of theirs; Compress where the route has none; Errors after the route's.
// Args, Params, Rewrite and the action are the site's own.
type Site struct {
	Rule
	// Hosts has lower-case names, "*.example.com", addresses, or "default"; at least one.
	Hosts []Host
	// TLS is complete: what the site left out is taken from Config.TLS.
	TLS TLS
	// HTTP says what plain HTTP does: "redirect" (to HTTPS) or "serve".
	HTTP string
	// HSTS is the max-age of Strict-Transport-Security; 0: not sent.
	HSTS time.Duration
	// Log is never nil; it is Config.Log when the site has none of its own.
	Log *Log
	// Routes in the order of the file; the order does not decide what matches.
	Routes []*Route
}

// Host is one name of a site.
type Host struct {
	Pos  Pos
	Name string
}

// Route is a part of a site.
type Route struct {
	Rule
	Match Match
}

// Rule is what a site and a route have in common. Of Root, Redirect and Respond at
// most one is set, in a route exactly one.
type Rule struct {
	Pos  Pos
	Name string
	// Enabled is false for what is to be left out altogether (404).
	Enabled bool
	// CaseInsensitive matches paths without regard to the case of ASCII letters.
	CaseInsensitive bool
	// RawPath leaves the part of the path behind the match as the client sent it.
	RawPath bool
	// Args bounds the segments behind the match: a number, "?" (0 or 1), "+" (1 or
	// more), "*" or empty (any).
	Args string
	// Params are checked in the query.
	Params []Param

	Root     *Static
	Redirect *Redirect
	Respond  *Respond

	Rewrite  *Rewrite
	Headers  *Headers
	Deny     []Deny
	Compress *Compress // nil: as one level up
	Errors   []ErrorPage
	Limits   RuleLimits
}

// RuleLimits are the limits that one rule may set.
type RuleLimits struct {
	Pos Pos
	// Body is the most bytes of a request body; nil: as one level up; 0: no limit.
	Body *int64
}

// Match says which requests a route takes: all parts must hold.
type Match struct {
	Pos Pos
	// Paths are patterns, one of which must match; never empty in a route.
	// "/a" is exact, "/a/*" all below, "{name}" one segment, "{name...}" the rest.
	Paths []Text
	// Methods in upper case; empty: any.
	Methods []string
	// Headers and Query must all match.
	Headers, Query []FieldMatch
}

// Text is a text and where it stands.
type Text struct {
	Pos  Pos
	Text string
}

// FieldMatch matches one header field or query parameter.
type FieldMatch struct {
	Pos Pos
	// Name is in lower case for header fields.
	Name string
	// Value may hold "*" for any text; it is "*" when Present.
	Value string
	// Present asks only that the name occurs.
	Present bool
}

// Param is a check of one query parameter.
type Param struct {
	Pos  Pos
	Name string
	// Required refuses requests without it.
	Required bool
	// Type is "text", "int", "number" or "bool", checked when the parameter is there.
	Type string
}

// Static serves files.
type Static struct {
	Pos         Pos
	Dir         string // absolute, or relative to the working directory if Config.Dir is
	StripPrefix string // begins with a slash and does not end with one; or empty
	Index       []string
	// Try are candidates for a path, in order: "{path}", "{path}.html",
	// "/index.html", last perhaps "=404". Empty: the path only. "spa: true" is
	// read as "{path}", "/index.html".
	Try           []string
	Browse        bool
	Hide          []string // globs, on top of dotfiles
	Precompressed bool
	Symlinks      string         // "inside" or "deny"
	MIME          []MIMEType     // on top of the built-in table
	Attachment    []string       // globs
	CacheControl  []CacheControl // the first that matches holds
}

// MIMEType is the media type of files by the end of their name.
type MIMEType struct {
	Pos  Pos
	Ext  string // with its dot, lower case
	Type string
}

// CacheControl says how long clients may keep files.
type CacheControl struct {
	Pos  Pos
	Glob string // "*" for all
	// Value is "none", "revalidate", "immutable" or a duration as Go prints it.
	Value string
	// Age is the duration, when Value is one.
	Age time.Duration
}

// Redirect sends clients elsewhere.
type Redirect struct {
	Pos Pos
	// To is a template with {host}, {path}, {query}, {uri} and names of the path pattern.
	To     string
	Status int
}

// Respond answers with something fixed.
type Respond struct {
	Pos     Pos
	Status  int
	Body    string
	Type    string // media type; empty when Body is
	Headers []Field
}

// Rewrite changes what is asked for before the action sees it.
type Rewrite struct {
	Pos Pos
	// Path is a template as in Redirect.To; empty: the path stays.
	Path string
	// Query replaces the query; nil: it stays.
	Query *string
}

// Headers changes the fields of requests and responses.
type Headers struct {
	Pos               Pos
	Request, Response HeaderOps
}

// HeaderOps are done in this order: Remove, Set, Add. Names are valid tokens in lower
// case, values have no control characters and may hold placeholders.
type HeaderOps struct {
	Pos    Pos
	Set    []Field
	Add    []Field
	Remove []Text
}

// Field is one header field.
type Field struct {
	Pos         Pos
	Name, Value string
}

// Deny refuses requests for which all that is set holds; at least one thing is.
type Deny struct {
	Pos     Pos
	Path    string // glob: "*" within a segment, "**" across; empty: any
	Methods []string
	From    []Network
	Status  int
	Explain string
}

// Compress compresses responses on the fly.
type Compress struct {
	Pos     Pos
	Enabled bool
	// Encodings in order of preference: "zstd", "br", "gzip".
	Encodings []string
	// Types are media types, "text/*" for all of a kind; empty: the built-in list.
	Types   []string
	MinSize int64
	// Level is "fast", "default" or "best".
	Level string
}

// ErrorPage replaces the body of an error. Exactly one of File, Respond and
// Redirect is set.
type ErrorPage struct {
	Pos Pos
	// Status is a status, or the first digit of a class ("5xx" is 5).
	Status   int
	File     string
	Respond  *Respond
	Redirect *Redirect
}
