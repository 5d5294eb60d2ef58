package config

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var configShape = object[Config]{
	name: "configuration", doc: "The configuration of weir.",
	pos: func(c *Config) *Pos { return &c.Pos },
	fill: func(r *reader, c *Config) {
		c.ServerHeader = "weir"
		fillListen(c)
		c.Admin.Address = "127.0.0.1:9180"
		fillLimits(nil, &c.Limits)
		fillTimeouts(nil, &c.Timeouts)
		fillLog(nil, &c.Log)
		fillGlobalTLS(nil, &c.TLS)
		c.Store = new(Store)
		fillStore(nil, c.Store)
		fillACME(c)
		fillCertificates(nil, &c.Certificates)
		fillOnDemand(nil, &c.OnDemand)
		c.CA.Name = "weir local authority"
		fillCacheStore(nil, &c.Cache)
		c.Trusted.Header = "x-forwarded-for"
		c.Compress = &Compress{}
		fillCompress(nil, c.Compress)
		if r != nil {
			r.global = c
		}
	},
	fields: []field[Config]{
		at("listen", "Where clients connect. Default: HTTP on port 80 and HTTPS on port 443.", listenShape, func(c *Config) *Listen { return &c.Listen }),
		at("admin", "Address for health, metrics and control, or off. It must not be reachable from outside.", adminShape, func(c *Config) *Admin { return &c.Admin }),
		at("data", "Directory for what weir keeps, such as its internal certificate authority.", place("a directory"), func(c *Config) *string { return &c.Data }),
		quiet(at("store", "What nodes share, certificates above all: a path, redis://…, postgres://…, or a mapping. Default: a file in the data directory.", ptr(storeShape), func(c *Config) **Store { return &c.Store })),
		at("limits", "What clients may ask for at most.", limitsShape, func(c *Config) *Limits { return &c.Limits }),
		at("timeouts", "How long clients may take.", timeoutsShape, func(c *Config) *Timeouts { return &c.Timeouts }),
		at("log", "The access log of every site that has none of its own, and the level of weir's own log.", logShape, func(c *Config) *Log { return &c.Log }),
		at("server_header", "Value of the Server field; false or off leaves it out.", serverHeader, func(c *Config) *string { return &c.ServerHeader }),
		at("memory", "Targets of the garbage collector. Default: chosen by the memory that weir may use.", memoryShape, func(c *Config) *Memory { return &c.Memory }),
		at("tls", "Defaults for the TLS of all sites.", globalTLSShape, func(c *Config) *TLS { return &c.TLS }),
		quiet(at("acme", "Public authorities for certificates, in order of preference: {email: me@example.com}, or several. Default: Let's Encrypt.", issuersShape, func(c *Config) *[]Issuer { return &c.ACME })),
		quiet(at("certificates", "How certificates are kept and renewed.", certificatesShape, func(c *Config) *Certificates { return &c.Certificates })),
		quiet(at("on_demand", "Which names get certificates when a client asks for them, for sites with tls: on-demand.", onDemandShape, func(c *Config) *OnDemand { return &c.OnDemand })),
		at("ca", "The internal certificate authority, for localhost and private names.", caShape, func(c *Config) *CA { return &c.CA }),
		at("headers", "Header fields to change on every site.", ptr(headersShape), func(c *Config) **Headers { return &c.Headers }),
		at("compress", "Compression on the fly, on every site that says nothing else.", ptr(compressShape), func(c *Config) **Compress { return &c.Compress }),
		quiet(at("cache", "Where responses are kept, and whether they are on sites that say nothing of it: true, false or a mapping.", cacheStoreShape, func(c *Config) *CacheStore { return &c.Cache })),
		quiet(at("trusted_proxies", "Proxies before weir that are believed who the client is: private, loopback, cloudflare, fastly, unix, 10.0.0.0/8.", trustedShape, func(c *Config) *TrustedProxies { return &c.Trusted })),
		quiet(at("upstreams", "Upstreams by name, for proxies that share one.", upstreamsShape, func(c *Config) *[]*Pool { return &c.Upstreams })),
		quiet(at("plugins", "Plugins by name: modules of WebAssembly, for filters and modules.", pluginsShape, func(c *Config) *[]*Plugin { return &c.Plugins })),
		quiet(at("filters", "Plugins that every request passes through, outermost first, before those of its site.", filtersShape, func(c *Config) *[]PluginUse { return &c.Filters })),
		at("errors", "Error pages of every site.", errorsShape, func(c *Config) *[]ErrorPage { return &c.Errors }),
		at("snippets", "Named mappings that sites, routes and what they hold can import.", snippetsShape, func(*Config) *struct{} { return new(struct{}) }),
		required(at("sites", "Sites by host name: example.com, *.example.com, default, or several names with commas.", sitesShape, func(c *Config) *[]*Site { return &c.Sites })),
	},
	after: checkConfig,
}.shape()

func fillListen(c *Config) {
	c.Listen.HTTP = []Listener{{Address: ":80"}}
	c.Listen.HTTPS = []Listener{{Address: ":443", HTTP3: true}}
}

var listenShape = object[Listen]{
	name: "listen", doc: "Listeners. Naming one kind leaves the other out.",
	pos: func(l *Listen) *Pos { return &l.Pos },
	fields: []field[Listen]{
		at("http", "Addresses for plain HTTP: \":80\", \"127.0.0.1:8080\", \"[::1]:80\", unix:/run/weir.sock, systemd:name, fd:3.", httpListeners, func(l *Listen) *[]Listener { return &l.HTTP }),
		at("https", "Addresses for HTTPS: HTTP/1.1 and HTTP/2 on TCP, HTTP/3 on UDP.", httpsListeners, func(l *Listen) *[]Listener { return &l.HTTPS }),
	},
	fill: func(r *reader, l *Listen) {
		if r != nil {
			*l = Listen{} // what is written replaces both defaults
		}
	},
	after: func(r *reader, n *yaml.Node, l *Listen) {
		if len(l.HTTP)+len(l.HTTPS) == 0 {
			r.fail(n, "name http, https or both", "there is nothing to listen on")
		}
	},
}.shape()

var address = scalar[string]{
	want: `an address such as ":80"`, parse: parseAddress, print: func(s string) string { return s },
	schema: schema{"type": "string"},
}.shape()

var network = scalar[Network]{
	want: "a network such as 10.0.0.0/8", parse: parseNetwork, print: func(n Network) string { return n.Text },
	schema: schema{"type": "string"},
}.shape()

var (
	httpListeners  = list(listener("http_listener", false))
	httpsListeners = list(listener("https_listener", true))
)

func listener(name string, tls bool) shape[Listener] {
	short := inside(address, func(l *Listener) *string { return &l.Address })
	o := object[Listener]{
		name: name, doc: "One address to listen on.", short: &short,
		pos:  func(l *Listener) *Pos { return &l.Pos },
		fill: func(_ *reader, l *Listener) { l.HTTP3 = tls },
		fields: []field[Listener]{
			required(at("address", "Where to listen.", address, func(l *Listener) *string { return &l.Address })),
			at("proxy_protocol", "Networks of load balancers whose connections begin with a PROXY header.", list(network), func(l *Listener) *[]Network { return &l.ProxyProtocol }),
		},
		after: func(r *reader, n *yaml.Node, l *Listener) {
			if key, _ := entry(n, "mode"); key != nil && !strings.HasPrefix(l.Address, "unix:") {
				r.fail(key, "remove it", "only a unix socket that weir makes has a mode")
			}
		},
	}
	mode := quiet(at("mode", "Permissions of a unix socket, in octal. Default: 0660.", fileMode, func(l *Listener) *uint32 { return &l.Mode }))
	h2c := at("h2c", "HTTP/2 without TLS for clients that begin with it.", boolean, func(l *Listener) *bool { return &l.H2C })
	h3 := at("http3", "HTTP/3 on the UDP port of the same number.", boolean, func(l *Listener) *bool { return &l.HTTP3 })
	if tls {
		o.fields = append(o.fields, h3, mode)
	} else {
		o.fields = append(o.fields, h2c, mode)
	}
	return o.shape()
}

var fileMode = scalar[uint32]{
	want:   "permissions such as 0660",
	schema: schema{"type": []string{"string", "integer"}},
	print: func(m uint32) string {
		if m == 0 {
			return ""
		}
		return "0" + strconv.FormatUint(uint64(m), 8)
	},
	parse: func(s string) (uint32, error) {
		m, err := strconv.ParseUint(s, 8, 9)
		if err != nil || m == 0 {
			return 0, &problem{strconv.Quote(short(s)) + " are no permissions", "write three octal digits, such as 0660"}
		}
		return uint32(m), nil
	},
}.shape()

var adminShape = object[Admin]{
	name: "admin", doc: "The admin listener.",
	pos:   func(a *Admin) *Pos { return &a.Pos },
	short: &adminAddress,
	fields: []field[Admin]{
		at("address", "Where to listen, or off.", offAddress, func(a *Admin) *string { return &a.Address }),
	},
}.shape()

var adminAddress = inside(offAddress, func(a *Admin) *string { return &a.Address })

var offAddress = scalar[string]{
	want:   "an address such as 127.0.0.1:9180, or off",
	schema: schema{"type": "string"},
	print: func(s string) string {
		if s == "" {
			return "off"
		}
		return s
	},
	parse: func(s string) (string, error) {
		if s == "off" {
			return "", nil
		}
		return parseAddress(s)
	},
}.shape()

const most = 1 << 30 // of anything that is counted

func fillLimits(_ *reader, l *Limits) {
	*l = Limits{HeaderBytes: 64 << 10, HeaderFields: 128, RequestLine: 16 << 10, Streams: 128}
}

var limitsShape = object[Limits]{
	name: "limits", doc: "Limits for all clients.",
	pos: func(l *Limits) *Pos { return &l.Pos }, fill: fillLimits,
	fields: []field[Limits]{
		at("header_bytes", "Size of a request's header.", size(1<<10, ""), func(l *Limits) *int64 { return &l.HeaderBytes }),
		at("header_fields", "Number of header fields in a request.", integer(8, 10000), func(l *Limits) *int { return &l.HeaderFields }),
		at("request_line", "Size of a request's first line.", size(256, ""), func(l *Limits) *int64 { return &l.RequestLine }),
		at("body", "Size of a request's body, or none.", size(1, "none"), func(l *Limits) *int64 { return &l.Body }),
		at("connections", "Connections at once, in all, or none.", count(most), func(l *Limits) *int { return &l.Connections }),
		at("connections_per_ip", "Connections at once from one address (IPv6: from one /64), or none.", count(most), func(l *Limits) *int { return &l.ConnectionsPerIP }),
		at("requests_per_connection", "Requests after which a connection is closed, or none.", count(most), func(l *Limits) *int { return &l.RequestsPerConnection }),
		at("streams", "Requests at once on one HTTP/2 or HTTP/3 connection.", integer(1, 100000), func(l *Limits) *int { return &l.Streams }),
	},
}.shape()

func fillTimeouts(_ *reader, t *Timeouts) {
	*t = Timeouts{Handshake: 10 * time.Second, Header: 10 * time.Second, Idle: 2 * time.Minute,
		Write: 30 * time.Second, BodyRate: 240, Drain: 30 * time.Second}
}

// A timeout cannot be switched off: what waits for ever can be held for ever
// (docs: slow clients). A very long one can be written.
var timeout = duration(time.Millisecond, "")

var timeoutsShape = object[Timeouts]{
	name: "timeouts", doc: "Timeouts for all clients.",
	pos: func(t *Timeouts) *Pos { return &t.Pos }, fill: fillTimeouts,
	fields: []field[Timeouts]{
		at("handshake", "From the connection to the end of its TLS handshake.", timeout, func(t *Timeouts) *time.Duration { return &t.Handshake }),
		at("header", "From the first byte of a request to the end of its header.", timeout, func(t *Timeouts) *time.Duration { return &t.Header }),
		at("idle", "Between two requests of one connection.", timeout, func(t *Timeouts) *time.Duration { return &t.Idle }),
		at("write", "For a client that takes nothing of a response.", timeout, func(t *Timeouts) *time.Duration { return &t.Write }),
		at("body_rate", "What a request's body must at least bring per second, or none.", rate, func(t *Timeouts) *int64 { return &t.BodyRate }),
		at("drain", "For requests that are under way when weir stops.", timeout, func(t *Timeouts) *time.Duration { return &t.Drain }),
	},
}.shape()

var serverHeader = scalar[string]{
	want:   "a text, true or false",
	schema: schema{"type": []string{"string", "boolean"}},
	print: func(s string) string {
		if s == "" {
			return "off"
		}
		return s
	},
	parse: func(s string) (string, error) {
		switch s {
		case "true":
			return "weir", nil
		case "false", "off", "":
			return "", nil
		}
		return s, checkFieldValue(s)
	},
}.shape()

var memoryLimit = size(8<<20, "auto")

var memoryShort = inside(memoryLimit, func(m *Memory) *int64 { return &m.Limit })

var memoryShape = object[Memory]{
	name: "memory", doc: "Targets of the garbage collector.", short: &memoryShort,
	pos: func(m *Memory) *Pos { return &m.Pos },
	fields: []field[Memory]{
		at("limit", "Memory to stay below, or auto: by what the machine or container has.", memoryLimit, func(m *Memory) *int64 { return &m.Limit }),
		at("gogc", "Growth in percent before a collection, or auto.", gogc, func(m *Memory) *int { return &m.GOGC }),
	},
}.shape()

var gogc = scalar[int]{
	want:   "a percentage from 10 to 10000, or auto",
	schema: anyOf(schema{"type": "integer", "minimum": 10, "maximum": 10000}, schema{"type": "string"}),
	print: func(i int) string {
		if i == 0 {
			return "auto"
		}
		return strconv.Itoa(i)
	},
	parse: func(s string) (int, error) {
		if s == "auto" {
			return 0, nil
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < 10 || i > 10000 {
			return 0, &problem{message: "want a percentage from 10 to 10000, or auto, got " + strconv.Quote(short(s))}
		}
		return i, nil
	},
}.shape()

var caShape = object[CA]{
	name: "ca", doc: "The internal certificate authority.",
	instead: "this is weir's own authority; write acme: {ca: …} for another, or ca: {name: …}",
	pos:     func(c *CA) *Pos { return &c.Pos },
	fill:    func(r *reader, c *CA) { c.Name = "weir local authority" },
	fields: []field[CA]{
		at("name", "Name of a new root certificate.", text("a name", checkPrintable), func(c *CA) *string { return &c.Name }),
		at("dir", "Where it is stored. Default: in the data directory.", place("a directory"), func(c *CA) *string { return &c.Dir }),
	},
}.shape()

// snippetsShape checks only that snippets are mappings: what they say is checked
// where it is imported.
var snippetsShape = shape[struct{}]{
	read: func(r *reader, n *yaml.Node, _ *struct{}) {
		if n.Kind != yaml.MappingNode {
			r.fail(n, "write names, and mappings below them", "want a mapping, got %s", kind(n))
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if value := n.Content[i+1]; value.Kind != yaml.MappingNode {
				r.within(n.Content[i], func() { r.fail(value, "", "a snippet is a mapping, got %s", kind(value)) })
			}
		}
	},
	print: func(*printer, *struct{}) *yaml.Node { return nil },
	schema: func(*definitions) schema {
		return schema{"type": "object", "additionalProperties": schema{"type": "object"}}
	},
}
