package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// staticOptions are the keys of a root besides its directory. They may also stand
// beside root, in the site or route.
var staticOptions = []field[Static]{
	at("strip_prefix", "Beginning of paths that is no part of file names.", text("a path", checkPath), func(v *Static) *string { return &v.StripPrefix }),
	at("index", "Files that answer for their directory, best first.", list(text("a file name", checkIndex)), func(v *Static) *[]string { return &v.Index }),
	at("try", `What to look for, in order: "{path}", "{path}.html", "/index.html", at last perhaps "=404".`, list(text("a path", checkTry)), func(v *Static) *[]string { return &v.Try }),
	unprinted(spaField),
	at("browse", "List directories that have no index.", boolean, func(v *Static) *bool { return &v.Browse }),
	at("hide", "Files that must not be found, besides dotfiles: *.bak, /private/**.", list(fileGlob), func(v *Static) *[]string { return &v.Hide }),
	at("precompressed", "Answer with file.br, file.zst or file.gz where they exist.", boolean, func(v *Static) *bool { return &v.Precompressed }),
	at("symlinks", "inside: follow them within the directory; deny: do not follow them.", word("inside", "deny"), func(v *Static) *string { return &v.Symlinks }),
	at("mime", "Media types by the end of file names: .md: text/markdown.", mimeShape, func(v *Static) *[]MIMEType { return &v.MIME }),
	at("attachment", "Files for browsers to save instead of showing them: *.zip.", list(fileGlob), func(v *Static) *[]string { return &v.Attachment }),
	at("cgi", "Paths whose .wasm files are CGI programs to run: /cgi-bin.", ptr(cgiShape), func(v *Static) **CGI { return &v.CGI }),
	at("cache_control", "How long clients keep files: none, revalidate, immutable, a duration; or such by file name.", cacheControlShape, func(v *Static) *[]CacheControl { return &v.CacheControl }),
}

var fileGlob = text("a pattern of file names such as *.zip", checkGlob)

var directory = inside(place("a directory"), func(v *Static) *string { return &v.Dir })

var staticShape = object[Static]{
	name: "root", doc: "Serve the files of a directory.", short: &directory,
	pos: func(v *Static) *Pos { return &v.Pos },
	fill: func(_ *reader, v *Static) {
		*v = Static{Index: []string{"index.html", "index.htm"}, Precompressed: true, Symlinks: "inside"}
	},
	fields: append([]field[Static]{
		required(at("dir", "The directory.", place("a directory"), func(v *Static) *string { return &v.Dir })),
	}, quieted(staticOptions)...),
	after: func(r *reader, n *yaml.Node, v *Static) {
		v.StripPrefix = strings.TrimSuffix(v.StripPrefix, "/")
		spa, _ := entry(n, "spa")
		if try, _ := entry(n, "try"); spa != nil && try != nil {
			r.fail(spa, "remove one of them", "spa and try exclude each other; spa means try: [\"{path}\", /index.html]")
		}
	},
}.shape()

func quieted(fields []field[Static]) []field[Static] {
	out := make([]field[Static], len(fields))
	for i, f := range fields {
		out[i] = quiet(f)
	}
	return out
}

// staticAliases are staticOptions as keys of a rule, which gatherRoot moves into root.
var staticAliases = lift(staticOptions, func(*Rule) *Static { return new(Static) })

// gatherRoot moves the options that stand beside root into it. Where both have one,
// what the rule itself says wins over what it imported.
func gatherRoot(r *reader, n, own *yaml.Node) *yaml.Node {
	any := false
	for i := 0; i < len(n.Content); i += 2 {
		any = any || isStaticOption(n.Content[i].Value)
	}
	if !any {
		return n
	}
	out := *n
	out.Content = nil
	var moved []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isStaticOption(n.Content[i].Value) {
			moved = append(moved, n.Content[i], n.Content[i+1])
		} else {
			out.Content = append(out.Content, n.Content[i], n.Content[i+1])
		}
	}
	at := slices.IndexFunc(out.Content, func(c *yaml.Node) bool { return c.Value == "root" })
	if at < 0 || at%2 == 1 {
		for i := 0; i < len(moved); i += 2 {
			hint := "give the directory as root:"
			if moved[i].Value == "strip_prefix" && child(&out, "proxy") != nil {
				hint = "write it into proxy: {to: …, strip_prefix: …}"
			}
			r.fail(moved[i], hint, "%s goes with root, and there is none here", moved[i].Value)
		}
		return &out
	}
	key, root := out.Content[at], out.Content[at+1]
	if isNull(root) {
		return &out
	}
	long := yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: root.Line, Column: root.Column}
	if root.Kind == yaml.MappingNode {
		long.Content = slices.Clone(root.Content)
	} else {
		dir := *key
		dir.Value = "dir"
		long.Content = append(long.Content, &dir, root)
	}
	for i := 0; i < len(moved); i += 2 {
		inner := slices.IndexFunc(long.Content, func(c *yaml.Node) bool { return c.Value == moved[i].Value })
		switch ownOption := slices.Contains(own.Content, moved[i]); {
		case inner < 0 || inner%2 == 1:
			long.Content = append(long.Content, moved[i], moved[i+1])
		case ownOption && slices.Contains(own.Content, root):
			r.fail(moved[i], "", "%s is already there in line %d", moved[i].Value, long.Content[inner].Line)
		case ownOption:
			long.Content[inner], long.Content[inner+1] = moved[i], moved[i+1]
		}
	}
	out.Content[at+1] = &long
	return &out
}

func isStaticOption(key string) bool {
	for i := range staticOptions {
		if staticOptions[i].key == key {
			return true
		}
	}
	return false
}

// spaField reads true as the candidates that make a single page application.
var spaField = field[Static]{
	key: "spa", doc: `A single page application: what is no file is answered by /index.html.`, schema: boolean.schema,
	read: func(r *reader, n *yaml.Node, v *Static) {
		var on bool
		if boolean.read(r, n, &on); on {
			v.Try = []string{"{path}", "/index.html"}
		}
	},
}

func checkIndex(s string) error {
	if s == "." || s == ".." || strings.ContainsAny(s, "/\\") {
		return &problem{strconv.Quote(short(s)) + " is no file name", "an index is a name without directory"}
	}
	return checkPrintable(s)
}

func checkTry(s string) error {
	if status, ok := strings.CutPrefix(s, "="); ok {
		if n, err := strconv.Atoi(status); err != nil || n < 400 || n > 599 {
			return &problem{strconv.Quote(short(s)) + " is no status of an error", "write =404"}
		}
		return nil
	}
	before, after, uses := strings.Cut(s, "{path}")
	if strings.ContainsAny(before+after, "{}") || before == "" && !uses || before != "" && before[0] != '/' {
		return &problem{strconv.Quote(short(s)) + " is nothing to try", `write "{path}", "{path}.html", /index.html or =404`}
	}
	return checkPrintable(s)
}

var mimeShape = pairs[MIMEType]{
	doc: "Media types by the end of file names.", value: inside(mediaType, func(m *MIMEType) *string { return &m.Type }),
	name: func(m *MIMEType) string { return m.Ext },
	key: func(r *reader, key *yaml.Node, m *MIMEType) {
		m.Pos, m.Ext = r.pos(key), lower(key.Value)
		if len(m.Ext) < 2 || m.Ext[0] != '.' || strings.ContainsAny(m.Ext[1:], "./\\") {
			r.fail(key, "write it with its dot: .md", "%q is no end of a file name", short(key.Value))
		}
	},
}.shape()

var cacheControlPairs = pairs[CacheControl]{
	doc: "Cache control by file name; the first that matches holds.", value: cacheControlValue,
	name: func(c *CacheControl) string { return c.Glob },
	key: func(r *reader, key *yaml.Node, c *CacheControl) {
		c.Pos, c.Glob = r.pos(key), key.Value
		if err := checkGlob(c.Glob); err != nil {
			r.failValue(key, err)
		}
	},
}.shape()

var cacheControlShape = shape[[]CacheControl]{
	read: func(r *reader, n *yaml.Node, v *[]CacheControl) {
		if n.Kind == yaml.MappingNode {
			cacheControlPairs.read(r, n, v)
			return
		}
		*v = make([]CacheControl, 1)
		cacheControlValue.read(r, n, &(*v)[0])
		(*v)[0].Pos, (*v)[0].Glob = r.here, "*"
	},
	print:  cacheControlPairs.print,
	schema: func(d *definitions) schema { return anyOf(cacheControlValue.schema(d), cacheControlPairs.schema(d)) },
}

var cacheControlValue = scalar[CacheControl]{
	want:   "none, revalidate, immutable or a duration",
	schema: schema{"type": "string"},
	print: func(c CacheControl) string {
		if c.Age > 0 {
			return printDuration(c.Age)
		}
		return c.Value
	},
	parse: func(s string) (CacheControl, error) {
		if s == "none" || s == "revalidate" || s == "immutable" {
			return CacheControl{Value: s}, nil
		}
		d, err := parseDuration(s)
		if err != nil || d < time.Second {
			return CacheControl{}, &problem{"want none, revalidate, immutable or a duration such as 5m, got " + strconv.Quote(short(s)), "other directives can be set under headers:"}
		}
		return CacheControl{Value: d.String(), Age: d}, nil
	},
}.shape()
