package config

import "time"

// TLS says how a site does TLS.
type TLS struct {
	Pos Pos
	// Mode is "auto", "internal" (the internal CA), "on-demand", "off" or "files".
	Mode string
	// Cert and Key are PEM files, set exactly when Mode is "files".
	Cert, Key string
	// MinVersion is "1.2" or "1.3".
	MinVersion string
	// ClientAuth asks clients for a certificate; nil: it does not.
	ClientAuth *ClientAuth

	// ACME has the site's own authorities, in order of preference; nil: Config.ACME.
	// Set in the modes "auto" and "on-demand" alone, as is Profile.
	ACME []Issuer
	// Profile is what kind of certificate to ask for; empty: as the authority has it.
	Profile string

	// Tickets, ZeroRTT and ECH hold for all sites and are set in Config.TLS alone.
	Tickets *Tickets // nil: sessions are not resumed
	ZeroRTT bool
	ECH     *ECH // nil: off
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
// when there are routes. Deny, Headers, Filters and Limits of a site hold for its routes too,
// outside of theirs; Compress and Cache where the route has none; Errors after the route's.
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

// Rule is what a site and a route have in common. Of Root, Proxy, Module,
// Redirect and Respond at most one is set, in a route exactly one.
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
	Proxy    *Proxy
	Module   *PluginUse
	Redirect *Redirect
	Respond  *Respond

	Filters  []PluginUse // plugins, outermost first
	Rewrite  *Rewrite
	Headers  *Headers
	Deny     []Deny
	Compress *Compress // nil: as one level up
	Cache    *Cache    // nil: as one level up
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
	CGI           *CGI           // nil: no file is a program
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
