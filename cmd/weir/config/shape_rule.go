package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ruleFields are the keys that sites and routes have in common.
var ruleFields = []field[Rule]{
	quiet(at("name", "A name for logs; that of a site for metrics too. Default: its first host, the path of a route.", text("a name", checkPrintable), func(v *Rule) *string { return &v.Name })),
	quiet(at("enabled", "false leaves it out altogether.", boolean, func(v *Rule) *bool { return &v.Enabled })),
	quiet(at("case_insensitive", "Match paths without regard to the case of ASCII letters; in a site, those of all its routes.", boolean, func(v *Rule) *bool { return &v.CaseInsensitive })),
	quiet(at("raw_path", "Leave what follows the matched path as the client sent it, and take encoded slashes (%2F) in it, which are refused otherwise. npm's registries need it.", boolean, func(v *Rule) *bool { return &v.RawPath })),
	quiet(at("args", `Path segments behind the matched path: a number, "?" (none or one), "+" (one or more), "*" (any).`, argsShape, func(v *Rule) *string { return &v.Args })),
	quiet(at("params", "Query parameters to check: required, int, number, bool, or two such words.", paramsShape, func(v *Rule) *[]Param { return &v.Params })),
	quiet(at("deny", "Requests to refuse.", list(denyShape), func(v *Rule) *[]Deny { return &v.Deny })),
	quiet(at("limits", "Limits for the requests here.", ruleLimitsShape, func(v *Rule) *RuleLimits { return &v.Limits })),
	quiet(at("headers", "Header fields to change.", ptr(headersShape), func(v *Rule) **Headers { return &v.Headers })),
	quiet(at("compress", "Compression on the fly: true, false or options. Switch it off for pages that hold a secret and repeat what their caller sent (the BREACH attack).", ptr(compressShape), func(v *Rule) **Compress { return &v.Compress })),
	quiet(at("cache", "Keep responses and answer with them: true, false or options.", ptr(cacheShape), func(v *Rule) **Cache { return &v.Cache })),
	quiet(at("errors", "Error pages, by status or class: 404, 5xx.", errorsShape, func(v *Rule) *[]ErrorPage { return &v.Errors })),
	quiet(at("filters", "Plugins that requests pass through, outermost first: names, files of modules, or mappings. In a site, they hold for its routes too.", filtersShape, func(v *Rule) *[]PluginUse { return &v.Filters })),
	quiet(at("rewrite", "Change the path before the request is answered.", ptr(rewriteShape), func(v *Rule) **Rewrite { return &v.Rewrite })),
	quiet(at("root", "Serve the files of a directory.", ptr(staticShape), func(v *Rule) **Static { return &v.Root })),
	quiet(at("proxy", "Pass requests on: to an address, several, or as a mapping says.", ptr(proxyShape), func(v *Rule) **Proxy { return &v.Proxy })),
	quiet(at("module", "A module of WebAssembly answers: its file, the name of a plugin, or a mapping.", ptr(useShape), func(v *Rule) **PluginUse { return &v.Module })),
	quiet(at("redirect", "Send clients to another address.", ptr(redirectShape), func(v *Rule) **Redirect { return &v.Redirect })),
	quiet(at("respond", "Answer with a status or text.", ptr(respondShape), func(v *Rule) **Respond { return &v.Respond })),
}

var routeShape = object[Route]{
	name: "route", doc: "A part of a site.",
	pos:  func(v *Route) *Pos { return &v.Pos },
	fill: func(_ *reader, v *Route) { v.Enabled = true },
	fields: append([]field[Route]{
		required(at("match", "Which requests the route takes: a path, several, or a mapping.", matchShape, func(v *Route) *Match { return &v.Match })),
	}, lift(ruleFields, func(v *Route) *Rule { return &v.Rule })...),
	before: gatherRoot, aliases: lift(staticAliases, func(v *Route) *Rule { return &v.Rule }),
	after: func(r *reader, n *yaml.Node, v *Route) {
		checkActions(r, n, "route", &v.Rule, false)
		checkTemplates(r, n, &v.Rule, v.Match.Paths)
		checkCacheMethods(r, n, v)
	},
}.shape()

// actionKeys are the ways to answer.
var actionKeys = []string{"root", "proxy", "module", "redirect", "respond"}

// HasAction tells whether a rule answers by itself.
func (v *Rule) HasAction() bool {
	return v.Root != nil || v.Proxy != nil || v.Module != nil || v.Redirect != nil || v.Respond != nil
}

// checkActions insists on exactly one way to answer, or none if mayLack.
func checkActions(r *reader, n *yaml.Node, what string, v *Rule, mayLack bool) {
	var found []*yaml.Node
	for _, name := range actionKeys {
		if key, _ := entry(n, name); key != nil {
			found = append(found, key)
		}
	}
	slices.SortFunc(found, func(a, b *yaml.Node) int { return a.Line - b.Line })
	switch {
	case len(found) > 1:
		r.fail(found[1], "keep one, or move the other into a route of its own", "a %s has exactly one of root, proxy, module, redirect and respond; this one has %s in line %d already", what, found[0].Value, found[0].Line)
	case len(found) == 0 && !mayLack && !misspelled(n):
		if what == "site" {
			what = "site needs one of root, proxy, module, redirect and respond, or routes"
		} else {
			what += " needs one of root, proxy, module, redirect and respond"
		}
		r.report(r.here, keyWidth(r), "a "+what, "for files, write root: ./public; to pass requests on, proxy: 127.0.0.1:9000")
	}
}

// misspelled tells whether a mapping has a key that was meant to say how to answer,
// and has been reported for itself.
func misspelled(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		known := slices.ContainsFunc(ruleFields, func(f field[Rule]) bool { return f.key == key })
		hint := hintFor("", key)
		if !known && nearest(key, actionKeys) != "" ||
			strings.HasPrefix(hint, "write proxy: ") || strings.HasPrefix(hint, "write root: ") {
			return true
		}
	}
	return false
}

// keyWidth is the width of the key or item that is read.
func keyWidth(r *reader) int { return max(1, len(r.path[len(r.path)-1].key)) }

// commonNames may stand in every template, beside those that a path binds.
var commonNames = [...]string{"host", "path", "query", "uri", "scheme", "method", "client_ip", "id", "rest"}

// checkTemplates refuses names that no path of the rule binds.
func checkTemplates(r *reader, n *yaml.Node, v *Rule, paths []Text) {
	known := commonNames[:]
	for i, p := range paths {
		names, err := pathNames(p.Text)
		if err != nil {
			return // reported; what it binds is anyone's guess
		}
		if i == 0 {
			known = append(names, known...)
			continue
		}
		known = slices.DeleteFunc(known, func(s string) bool {
			return !slices.Contains(commonNames[:], s) && !slices.Contains(names, s)
		})
	}
	if v.Redirect != nil {
		r.checkTemplate(n, "redirect", "to", v.Redirect.To, known)
	}
	if v.Rewrite != nil {
		r.checkTemplate(n, "rewrite", "path", v.Rewrite.Path, known)
		if v.Rewrite.Query != nil {
			r.checkTemplate(n, "rewrite", "query", *v.Rewrite.Query, known)
		}
	}
}

// checkTemplate reports the first name of a template that is not known. The template
// is the value of a key, or of a part of it.
func (r *reader) checkTemplate(n *yaml.Node, name, part, template string, known []string) {
	names, err := placeholders(template)
	if err != nil {
		return // reported when it was read
	}
	for _, used := range names {
		if used = strings.TrimSuffix(used, "..."); slices.Contains(known, used) {
			continue
		}
		key, value := entry(n, name)
		r.within(key, func() {
			if k, v := entry(value, part); k != nil {
				r.path, value = append(r.path, step{key: part}), v
				defer func() { r.path = r.path[:len(r.path)-1] }()
			}
			r.failInside(value, "{"+used, "the names here are "+strings.Join(known, ", "), "nothing here is called {"+used+"}")
		})
		return
	}
}

var argsShape = scalar[string]{
	want: `a number, "?", "*" or "+"`, print: func(s string) string { return s },
	schema: schema{"type": []string{"string", "integer"}},
	parse: func(s string) (string, error) {
		if n, err := strconv.ParseUint(s, 10, 7); err == nil {
			return strconv.FormatUint(n, 10), nil
		}
		if s == "?" || s == "*" || s == "+" {
			return s, nil
		}
		return "", fmt.Errorf(`want a number up to 127, "?", "*" or "+", got %q`, short(s))
	},
}.shape()

var paramsShape = pairs[Param]{
	doc: "Query parameters by name.",
	key: func(r *reader, key *yaml.Node, p *Param) {
		p.Pos, p.Name = r.pos(key), key.Value
		if key.Value == "" {
			r.fail(key, "", "a parameter has a name")
		}
	},
	name: func(p *Param) string { return p.Name }, value: paramValue,
}.shape()

var paramTypes = []string{"text", "int", "number", "bool"}

var paramValue = scalar[Param]{
	want:   "required, or a type",
	schema: schema{"type": "string", "pattern": `^(required|optional|text|int|number|bool)( (required|optional|text|int|number|bool))?$`},
	print: func(p Param) string {
		switch {
		case p.Required && p.Type == "text":
			return "required"
		case p.Required:
			return "required " + p.Type
		}
		return p.Type
	},
	parse: func(s string) (Param, error) {
		p := Param{Type: "text"}
		for w := range strings.FieldsSeq(s) {
			switch {
			case w == "required":
				p.Required = true
			case w == "optional":
			case slices.Contains(paramTypes, w):
				p.Type = w
			default:
				return p, &problem{"want required, optional, text, int, number or bool, got " + strconv.Quote(short(w)), "two words can be joined: required int"}
			}
		}
		return p, nil
	},
}.shape()

var ruleLimitsShape = object[RuleLimits]{
	name: "rule_limits", doc: "Limits for the requests of one site or route.",
	pos: func(l *RuleLimits) *Pos { return &l.Pos },
	fields: []field[RuleLimits]{
		at("body", "Size of a request's body, or none.", ptr(size(1, "none")), func(l *RuleLimits) **int64 { return &l.Body }),
	},
}.shape()

var denyPath = text("a pattern of paths", func(s string) error {
	if !strings.HasPrefix(s, "/") {
		return &problem{"a path begins with a slash, got " + strconv.Quote(short(s)), "write " + strconv.Quote("/"+short(s))}
	}
	return checkPrintable(s)
})

var denyShort = inside(denyPath, func(d *Deny) *string { return &d.Path })

var denyShape = object[Deny]{
	name: "deny", doc: "Refuse requests for which all of this holds.", short: &denyShort,
	pos:  func(d *Deny) *Pos { return &d.Pos },
	fill: func(_ *reader, d *Deny) { d.Status = 403 },
	fields: []field[Deny]{
		at("path", "Paths, * within a segment, ** across segments.", denyPath, func(d *Deny) *string { return &d.Path }),
		at("methods", "Methods. Default: all.", list(method), func(d *Deny) *[]string { return &d.Methods }),
		at("from", "Networks of clients: 10.0.0.0/8, private, loopback. Default: all.", list(network), func(d *Deny) *[]Network { return &d.From }),
		at("status", "Status of the answer.", integer(400, 599), func(d *Deny) *int { return &d.Status }),
		at("explain", "Why, for the client.", text("a text", checkPrintable), func(d *Deny) *string { return &d.Explain }),
	},
	after: func(r *reader, n *yaml.Node, d *Deny) {
		if n.Kind == yaml.MappingNode && d.Path == "" && d.Methods == nil && d.From == nil && child(n, "path") == nil {
			r.report(r.here, 1, "this would refuse everything", "name path, methods or from; to refuse all, use respond: 403")
		}
	},
}.shape()

var compressShort = inside(boolean, func(c *Compress) *bool { return &c.Enabled })

func fillCompress(_ *reader, c *Compress) {
	*c = Compress{Enabled: true, Encodings: []string{"zstd", "br", "gzip"}, MinSize: 512, Level: "default"}
}

var compressShape = object[Compress]{
	name: "compress", doc: "Compression on the fly.", short: &compressShort,
	pos: func(c *Compress) *Pos { return &c.Pos }, fill: fillCompress,
	fields: []field[Compress]{
		at("enabled", "false switches it off.", boolean, func(c *Compress) *bool { return &c.Enabled }),
		at("encodings", "Encodings in order of preference: zstd, br, gzip.", list(word("zstd", "br", "gzip")), func(c *Compress) *[]string { return &c.Encodings }),
		at("types", "Media types to compress, text/* for all of a kind. Default: those known to shrink; event streams only if text/event-stream is named.", list(mediaType), func(c *Compress) *[]string { return &c.Types }),
		at("min_size", "Size below which nothing is compressed.", size(0, ""), func(c *Compress) *int64 { return &c.MinSize }),
		at("level", "fast, default or best.", word("fast", "default", "best"), func(c *Compress) *string { return &c.Level }),
	},
	after: func(r *reader, n *yaml.Node, c *Compress) {
		if key, value := entry(n, "encodings"); key != nil && len(c.Encodings) == 0 && len(value.Content) == 0 {
			r.fail(key, "to compress nothing, write compress: off", "no encoding to compress with")
		}
	},
}.shape()
