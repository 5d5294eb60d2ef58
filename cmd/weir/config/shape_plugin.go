package config

import (
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillPlugin(_ *reader, v *Plugin) {
	*v = Plugin{OnError: "closed", Isolation: "shared"}
	fillPluginLimits(nil, &v.Limits)
}

// pluginFields are the keys of a plugin.
var pluginFields = []field[Plugin]{
	required(at("wasm", "File with the module.", place("the file of a module"), func(v *Plugin) *string { return &v.Wasm })),
	quiet(at("sha256", "SHA-256 of the module: another content is refused.", sha256Text, func(v *Plugin) *string { return &v.SHA256 })),
	pluginConfig, pluginRootID,
	quiet(at("vm_config", "What Proxy-Wasm guests read as the configuration of their VM, written as config is.", dataShape, func(v *Plugin) *Data { return &v.VMConfig })),
	quiet(at("vm_id", "Whoever has the same id shares data and queues. Default: nobody else.", text("an id", checkPrintable), func(v *Plugin) *string { return &v.VMID })),
	quiet(at("args", "Arguments of a command, after its name.", list(text("an argument", checkArgument)), func(v *Plugin) *[]string { return &v.Args })),
	quiet(at("limits", "What guests may take.", pluginLimitsShape, func(v *Plugin) *PluginLimits { return &v.Limits })),
	quiet(at("grants", "What guests may reach: nothing, where this says nothing.", grantsShape, func(v *Plugin) *Grants { return &v.Grants })),
	quiet(at("on_error", "When a guest fails: closed fails the request, open goes on without the filter if it has changed nothing yet.", word("closed", "open"), func(v *Plugin) *string { return &v.OnError })),
	quiet(at("isolation", "shared: all places that use the plugin share instances; filter: each has its own; request: each request has a new one.", word("shared", "filter", "request"), func(v *Plugin) *string { return &v.Isolation })),
	quiet(at("hold_headers", "Show a Proxy-Wasm guest the body while it holds the headers back, as Envoy's allow_on_headers_stop_iteration does.", boolean, func(v *Plugin) *bool { return &v.HoldHeaders })),
	quiet(at("interpreter", "Interpret the module in place of compiling it: many times slower, and without the compiler's mistakes.", boolean, func(v *Plugin) *bool { return &v.Interpreter })),
}

func checkArgument(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("an argument holds no NUL")
	}
	return nil
}

var (
	pluginConfig = quiet(at("config", "What the guest reads as its configuration: a text, {file: path}, or a mapping or list, which it gets as JSON.", dataShape, func(v *Plugin) *Data { return &v.Config }))
	pluginRootID = quiet(at("root_id", "Which of several filters in a Proxy-Wasm module. Default: the one without a name, or the only one.", text("an id", checkPrintable), func(v *Plugin) *string { return &v.RootID }))
)

var modulePath = inside(place("the file of a module"), func(v *Plugin) *string { return &v.Wasm })

var pluginShape = object[Plugin]{
	name: "plugin", doc: "A module of WebAssembly, and what its guests are given.", short: &modulePath,
	pos: func(v *Plugin) *Pos { return &v.Pos }, fill: fillPlugin, fields: pluginFields,
}.shape()

var pluginsShape = pairs[Plugin]{
	doc: "Plugins by name, for filters and modules.", value: pluginShape,
	name: func(v *Plugin) string { return v.Name },
	key: func(r *reader, key *yaml.Node, v *Plugin) {
		v.Name = key.Value
		if !isPathName(v.Name) {
			r.fail(key, "names are of letters, digits, _ and -", "%q is no name of a plugin", short(key.Value))
		}
	},
}.refs()

var sha256Text = text("a SHA-256", func(s string) error {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 32 || lower(s) != s {
		return &problem{"want 64 hexadecimal digits, got " + strconv.Quote(short(s)), "sha256sum prints them"}
	}
	return nil
})

func fillPluginLimits(_ *reader, l *PluginLimits) {
	*l = PluginLimits{
		Memory: 64 << 20, CPU: 20 * time.Millisecond, Start: 5 * time.Second,
		Queue: time.Second, Body: 1 << 20, Logs: 100, Calls: 64, Store: 64 << 20,
	}
}

var fuelTime = duration(time.Millisecond, "")

var pluginLimitsShape = object[PluginLimits]{
	name: "plugin_limits", doc: "What guests may take. CPU is counted in instructions, of which a millisecond has a million: the same on any machine, under any load.",
	pos: func(l *PluginLimits) *Pos { return &l.Pos }, fill: fillPluginLimits,
	fields: []field[PluginLimits]{
		at("memory", "Memory of an instance.", size(64<<10, ""), func(l *PluginLimits) *int64 { return &l.Memory }),
		at("cpu", "CPU for one call into the guest.", fuelTime, func(l *PluginLimits) *time.Duration { return &l.CPU }),
		quiet(at("request_cpu", "CPU for all calls of one request, or auto: 100ms, or cpu where that is more, and on top of that what long bodies and streams need; 1s for a CGI program.", duration(time.Millisecond, "auto"), func(l *PluginLimits) *time.Duration { return &l.RequestCPU })),
		at("start", "CPU for an instance to start and to configure itself.", fuelTime, func(l *PluginLimits) *time.Duration { return &l.Start }),
		quiet(at("wall", "One call by the clock, what it waits for included, or auto: 1s; for a CGI program, how long it may be silent: 30s.", duration(time.Millisecond, "auto"), func(l *PluginLimits) *time.Duration { return &l.Wall })),
		quiet(at("instances", "Instances at a time, or auto: 64 where each serves one request at a time, one per processor where each serves many.", autoCount, func(l *PluginLimits) *int { return &l.Instances })),
		at("queue", "How long a request waits for an instance; then it is answered with 503.", duration(time.Millisecond, ""), func(l *PluginLimits) *time.Duration { return &l.Queue }),
		at("body", "Bytes of a body that are held for a guest that wants it whole.", size(1, ""), func(l *PluginLimits) *int64 { return &l.Body }),
		at("logs", "Lines that an instance may log in a second.", integer(1, most), func(l *PluginLimits) *int { return &l.Logs }),
		at("calls", "Calls to upstreams that an instance may have in flight.", integer(1, most), func(l *PluginLimits) *int { return &l.Calls }),
		at("store", "What a part of the store may hold for the plugin to write to it.", size(1, ""), func(l *PluginLimits) *int64 { return &l.Store }),
	},
	after: func(r *reader, n *yaml.Node, l *PluginLimits) {
		if k, _ := entry(n, "memory"); k != nil && l.Memory > 4<<30 {
			r.fail(k, "write 4GiB or less", "a guest cannot have more than 4GiB")
		}
		cpu, _ := entry(n, "cpu")
		switch k, _ := entry(n, "request_cpu"); {
		case l.RequestCPU == 0 || l.CPU <= l.RequestCPU:
		case cpu == nil:
			l.CPU = l.RequestCPU
		case k != nil:
			r.fail(k, "give a request as much as one of its calls at least", "a request has less CPU than one call")
		}
	},
}.shape()

// autoCount is a number, of which zero is auto.
var autoCount = scalar[int]{
	want: "a whole number from 1 to 10000, or auto",
	print: func(i int) string {
		if i == 0 {
			return "auto"
		}
		return strconv.Itoa(i)
	},
	schema: anyOf(schema{"type": "integer", "minimum": 1, "maximum": 10000}, schema{"type": "string"}),
	parse: func(s string) (int, error) {
		if s == "auto" {
			return 0, nil
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < 1 || i > 10000 {
			return 0, errors.New("want a whole number from 1 to 10000, or auto, got " + strconv.Quote(short(s)))
		}
		return i, nil
	},
}.shape()

var grantsShape = object[Grants]{
	name: "grants", doc: "What guests may reach.",
	pos: func(g *Grants) *Pos { return &g.Pos },
	fields: []field[Grants]{
		quiet(at("env", "Environment variables; weir's own are not passed on.", envShape, func(g *Grants) *[]Field { return &g.Env })),
		quiet(at("files", "Directories: /srv/data:/data to read, /srv/data:/data:rw to write too.", list(mountShape), func(g *Grants) *[]Mount { return &g.Files })),
		quiet(at("upstreams", "Names of upstreams that guests may call.", list(upstreamName), func(g *Grants) *[]Text { return &g.Upstreams })),
		quiet(at("urls", "Origins that guests may call: https://api.example.com.", list(originShape), func(g *Grants) *[]Text { return &g.URLs })),
		quiet(at("store", "Parts of the store that guests may use beside the plugin's own: names of other plugins, or any.", list(spaceName), func(g *Grants) *[]string { return &g.Store })),
		quiet(at("keys", "Keys that guests may sign with, by the names they have for them.", grantKeysShape, func(g *Grants) *[]GrantKey { return &g.Keys })),
	},
}.shape()

var envText = content(func(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("an environment variable holds no NUL")
	}
	return nil
})

var envShape = pairs[Field]{
	doc: "Environment variables by name.", name: func(f *Field) string { return f.Name },
	key: func(r *reader, key *yaml.Node, f *Field) {
		f.Pos, f.Name = r.pos(key), key.Value
		if f.Name == "" || strings.ContainsAny(f.Name, "=\x00") {
			r.fail(key, "", "%q is no name of a variable", short(f.Name))
		}
	},
	value: shape[Field]{
		read: func(r *reader, n *yaml.Node, f *Field) { envText.read(r, n, &f.Value) },
		print: func(p *printer, f *Field) *yaml.Node {
			if p.symbol(&f.Value) == nil && isSecretName(f.Name) {
				return textNode(redacted)
			}
			return envText.print(p, &f.Value)
		},
		schema: envText.schema,
	},
}.shape()

// mountText reads "/host:/guest" and "/host:/guest:rw".
var mountText = shape[Mount]{
	read: func(r *reader, n *yaml.Node, m *Mount) {
		s, _, ok := r.text(n, "directories such as /srv/data:/data")
		if !ok {
			return
		}
		rest, write := strings.CutSuffix(s, ":rw")
		i := strings.LastIndexByte(rest, ':')
		if i <= 0 {
			r.fail(n, "write the directory here and what guests call it: /srv/data:/data", "want two directories, got %q", short(s))
			return
		}
		m.Write = write
		host, guest := *n, *n
		host.Value, guest.Value = rest[:i], rest[i+1:]
		place("a directory").read(r, &host, &m.Host)
		guestPath.read(r, &guest, &m.Guest)
	},
	schema: func(*definitions) schema { return schema{"type": "string"} },
}

var guestPath = text("a path", func(s string) error {
	if s[0] != '/' || strings.ContainsRune(s, 0) || slices.Contains(strings.Split(s, "/"), "..") {
		return &problem{"guests see absolute paths, got " + strconv.Quote(short(s)), "write /data"}
	}
	return nil
})

var mountShape = object[Mount]{
	name: "mount", doc: "A directory that guests see.", short: &mountText,
	pos: func(m *Mount) *Pos { return &m.Pos },
	fields: []field[Mount]{
		required(at("host", "The directory.", place("a directory"), func(m *Mount) *string { return &m.Host })),
		required(at("guest", "What guests call it.", guestPath, func(m *Mount) *string { return &m.Guest })),
		quiet(at("write", "Let guests write, too.", boolean, func(m *Mount) *bool { return &m.Write })),
	},
}.shape()

var originShape = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		originText.read(r, n, &t.Text)
	},
	print: func(p *printer, t *Text) *yaml.Node { return originText.print(p, &t.Text) }, schema: originText.schema,
}

var originText = scalar[string]{
	want: "an origin such as https://api.example.com", print: func(s string) string { return s }, schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return "", &problem{"want an origin such as https://api.example.com, got " + strconv.Quote(short(s)), "an origin is https:// or http://, a host, and a port if it is not the usual one"}
		}
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
			return "", &problem{"an origin has no path, got " + strconv.Quote(short(s)), "write " + u.Scheme + "://" + u.Host + ": all below it is granted"}
		}
		origin, err := parseEndpoint(u.Scheme + "://" + lower(u.Host))
		return strings.TrimSuffix(origin, map[string]string{"http": ":80", "https": ":443"}[u.Scheme]), err
	},
}.shape()
