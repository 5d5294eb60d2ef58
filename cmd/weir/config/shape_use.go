package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

var filtersShape = list(useShape)

var useNamed = object[PluginUse]{
	name: "filter", doc: "A plugin by its name.",
	pos: func(v *PluginUse) *Pos { return &v.Pos },
	fields: append([]field[PluginUse]{
		required(at("use", "Name of an entry of plugins, or of a filter that weir brings along: basic-auth, cors, echo, headers.", pluginName, func(v *PluginUse) *Text { return &v.Name })),
	}, lift([]field[Plugin]{pluginConfig, pluginRootID}, func(v *PluginUse) *Plugin { return &v.Plugin })...),
}.shape()

// useShape is a place where a plugin is used: its name, the path of a module, a mapping
// with use, or the whole of a plugin.
var useShape = shape[PluginUse]{
	read: func(r *reader, n *yaml.Node, v *PluginUse) {
		v.Pos = r.here
		if n.Kind != yaml.MappingNode {
			readUse(r, n, v)
			return
		}
		if n = r.withImports(n); n == nil {
			return
		}
		use, _ := entry(n, "use")
		if use == nil {
			pluginShape.read(r, n, &v.Plugin)
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if known := func(f field[Plugin]) bool { return f.key == key.Value }; key.Value != "config" && key.Value != "root_id" && slices.ContainsFunc(pluginFields, known) {
				r.fail(key, "write it into the entry under plugins", "%s belongs to the plugin, and here it is only named", key.Value)
				return
			}
		}
		useNamed.read(r, n, v)
	},
	print: func(p *printer, v *PluginUse) *yaml.Node {
		if v.Name.Text == "" {
			return pluginShape.print(p, &v.Plugin)
		}
		n := useNamed.print(p, v)
		if n != nil && len(n.Content) == 2 {
			return n.Content[1]
		}
		return n
	},
	schema: func(d *definitions) schema {
		return anyOf(schema{"type": "string"}, useNamed.schema(d), pluginShape.schema(d))
	},
}

// readUse takes the name of a plugin or the path of a module.
func readUse(r *reader, n *yaml.Node, v *PluginUse) {
	s, _, ok := r.text(n, "the name of a plugin, or the file of a module")
	switch {
	case !ok:
	case strings.ContainsAny(s, "/.\\"):
		pluginShape.read(r, n, &v.Plugin)
	default:
		pluginName.read(r, n, &v.Name)
	}
}

// pluginName refers to an entry of plugins.
var pluginName = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		if pluginText.read(r, n, &t.Text); t.Text == "" {
			return
		}
		known := Bundled()
		for _, p := range r.global.Plugins {
			known = append(known, p.Name)
		}
		if slices.Contains(known, t.Text) {
			r.used["plugin "+t.Text] = true
			return
		}
		hint := "define it under plugins:, or write the path of a module: ./" + short(t.Text) + ".wasm"
		if near := nearest(t.Text, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.fail(n, hint, "there is no plugin %q", short(t.Text))
	},
	print:  func(p *printer, t *Text) *yaml.Node { return pluginText.print(p, &t.Text) },
	schema: pluginText.schema,
}

var pluginText = text("the name of a plugin", checkPrintable)

var cgiDirs = inside(list(cgiDir), func(v *CGI) *[]Text { return &v.Dirs })

var cgiShape = object[CGI]{
	name: "cgi", doc: "Run .wasm files below these paths as CGI programs, in place of serving them.", short: &cgiDirs,
	pos:  func(v *CGI) *Pos { return &v.Pos },
	fill: func(_ *reader, v *CGI) { fillPluginLimits(nil, &v.Limits) },
	fields: []field[CGI]{
		required(at("dirs", "Paths, such as /cgi-bin.", list(cgiDir), func(v *CGI) *[]Text { return &v.Dirs })),
		quiet(at("limits", "What programs may take.", pluginLimitsShape, func(v *CGI) *PluginLimits { return &v.Limits })),
		quiet(at("grants", "What programs may reach: nothing, where this says nothing.", grantsShape, func(v *CGI) *Grants { return &v.Grants })),
	},
	after: func(r *reader, n *yaml.Node, v *CGI) {
		checkCGIGrants(r, n)
		if len(v.Dirs) == 0 {
			r.report(r.here, keyWidth(r), "no directory", "write cgi: /cgi-bin")
		}
	},
}.shape()

var cgiDir = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		cgiText.read(r, n, &t.Text)
		t.Text = strings.TrimSuffix(t.Text, "/")
	},
	print: func(p *printer, t *Text) *yaml.Node { return cgiText.print(p, &t.Text) }, schema: cgiText.schema,
}

var cgiText = text("a path such as /cgi-bin", func(s string) error {
	if s[0] != '/' || strings.ContainsAny(s, "*{}%") || strings.Trim(s, "/") == "" {
		return &problem{"want a path such as /cgi-bin, got " + strconv.Quote(short(s)), "all .wasm files below it are programs"}
	}
	return checkPrintable(s)
})

// checkPlugins warns of plugins that nothing uses.
func checkPlugins(r *reader, c *Config) {
	for _, p := range c.Plugins {
		if !r.used["plugin "+p.Name] {
			r.warnings = append(r.warnings, r.mistake(p.Pos, len(p.Name), "nothing uses the plugin "+p.Name, "", true))
		}
	}
}
