package config

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

var template = text("an address", func(s string) error {
	if _, err := placeholders(s); err != nil {
		return err
	}
	if strings.Contains(s, " ") {
		return &problem{"an address holds no spaces", "write %20"}
	}
	return checkFieldValue(s)
})

var redirectShort = inside(template, func(v *Redirect) *string { return &v.To })

var redirectShape = object[Redirect]{
	name: "redirect", doc: "Send clients to another address.", short: &redirectShort,
	pos:  func(v *Redirect) *Pos { return &v.Pos },
	fill: func(_ *reader, v *Redirect) { v.Status = 308 },
	fields: []field[Redirect]{
		required(at("to", "The address: {host}, {path}, {query}, {uri} and names bound by the path stand for parts of the request.", template, func(v *Redirect) *string { return &v.To })),
		at("status", "301 and 308 for ever, 302, 303 and 307 for now; 307 and 308 keep the method.", redirectStatus, func(v *Redirect) *int { return &v.Status }),
	},
}.shape()

var redirectStatus = scalar[int]{
	want: "301, 302, 303, 307 or 308", print: strconv.Itoa, bare: true,
	schema: schema{"enum": []int{301, 302, 303, 307, 308}},
	parse: func(s string) (int, error) {
		switch s {
		case "301", "302", "303", "307", "308":
			return strconv.Atoi(s)
		}
		return 0, fmt.Errorf("want 301, 302, 303, 307 or 308, got %q", short(s))
	},
}.shape()

var (
	bodyText      = content(anyText)
	respondStatus = integer(200, 599)
)

// respondShort is a status if it is a bare number of three digits, else a text.
var respondShort = shape[Respond]{
	read: func(r *reader, n *yaml.Node, v *Respond) {
		if n.Kind == yaml.ScalarNode && n.Style == 0 && len(n.Value) == 3 && strings.Trim(n.Value, "0123456789") == "" {
			respondStatus.read(r, n, &v.Status)
			return
		}
		bodyText.read(r, n, &v.Body)
	},
	schema: func(*definitions) schema { return schema{"type": []string{"string", "integer"}} },
}

const plainText = "text/plain; charset=utf-8"

var respondShape = object[Respond]{
	name: "respond", doc: "A fixed answer: a status, a text, or a mapping.", short: &respondShort,
	pos:  func(v *Respond) *Pos { return &v.Pos },
	fill: func(_ *reader, v *Respond) { v.Status = 200 },
	fields: []field[Respond]{
		at("status", "Status.", respondStatus, func(v *Respond) *int { return &v.Status }),
		quiet(at("body", "Text, or {file: path} for one that is kept elsewhere.", bodyText, func(v *Respond) *string { return &v.Body })),
		at("type", "Media type. Default: "+plainText+".", mediaType, func(v *Respond) *string { return &v.Type }),
		quiet(at("headers", "More header fields.", fieldsShape, func(v *Respond) *[]Field { return &v.Headers })),
	},
	after: func(r *reader, n *yaml.Node, v *Respond) {
		if v.Body != "" && (v.Status == 204 || v.Status == 304) {
			r.report(r.here, 1, fmt.Sprintf("an answer with status %d has no body", v.Status), "use another status, or remove the body")
		}
		if v.Type == "" && v.Body != "" {
			v.Type = plainText
		}
	},
}.shape()

var rewriteShort = inside(rewritePath, func(v *Rewrite) *string { return &v.Path })

var rewritePath = text("a path such as /new/{rest}", func(s string) error {
	if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "{") {
		return &problem{"a path begins with a slash, got " + strconv.Quote(short(s)), "write " + strconv.Quote("/"+short(s))}
	}
	if strings.ContainsAny(s, "?#") {
		return &problem{"a path holds no ? or #", "write {path: …, query: …}"}
	}
	if _, err := placeholders(s); err != nil {
		return err
	}
	return checkPrintable(s)
})

var rewriteShape = object[Rewrite]{
	name: "rewrite", doc: "Change what is asked for before it is answered.", short: &rewriteShort,
	pos: func(v *Rewrite) *Pos { return &v.Pos },
	fields: []field[Rewrite]{
		at("path", "The new path; {path} and names bound by the path stand for parts of the request.", rewritePath, func(v *Rewrite) *string { return &v.Path }),
		at("query", "The new query. Default: the old one.", ptr(queryText), func(v *Rewrite) **string { return &v.Query }),
	},
	after: func(r *reader, n *yaml.Node, v *Rewrite) {
		if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
			r.fail(n, "give path, query or both", "nothing to rewrite")
		}
	},
}.shape()

var queryText = content(func(s string) error {
	if _, err := placeholders(s); err != nil {
		return err
	}
	if strings.ContainsAny(s, "# ") {
		return &problem{"a query holds no # and no spaces", "write %23 and %20"}
	}
	return checkPrintable(s)
})

var errorsShape = pairs[ErrorPage]{
	doc: "Error pages by status or class.", pattern: `^(4|5)([0-9][0-9]|xx)$`, value: errorPageShape,
	name: func(e *ErrorPage) string {
		if e.Status < 10 {
			return strconv.Itoa(e.Status) + "xx"
		}
		return strconv.Itoa(e.Status)
	},
	key: func(r *reader, key *yaml.Node, e *ErrorPage) {
		text := strings.TrimSuffix(key.Value, "xx")
		n, err := strconv.ParseUint(text, 10, 10)
		class := text != key.Value && (n == 4 || n == 5)
		if err != nil || !class && (text != key.Value || n < 400 || n > 599) {
			r.fail(key, "write a status such as 404, or 4xx or 5xx", "%q is no status of an error", short(key.Value))
		}
		e.Status = int(n)
	},
}.shape()

var errorFile = inside(place("the file of an error page"), func(e *ErrorPage) *string { return &e.File })

var errorPageShape = object[ErrorPage]{
	name: "error_page", doc: "A page in place of an error: a file, or a mapping.", short: &errorFile,
	pos: func(e *ErrorPage) *Pos { return &e.Pos },
	fields: []field[ErrorPage]{
		at("file", "File to send.", place("the file of an error page"), func(e *ErrorPage) *string { return &e.File }),
		at("respond", "Answer with a text.", ptr(respondShape), func(e *ErrorPage) **Respond { return &e.Respond }),
		at("redirect", "Send clients to another address.", ptr(redirectShape), func(e *ErrorPage) **Redirect { return &e.Redirect }),
	},
	after: func(r *reader, n *yaml.Node, e *ErrorPage) {
		if n.Kind == yaml.MappingNode && len(n.Content) != 2 {
			r.report(r.here, keyWidth(r), "an error page has exactly one of file, respond and redirect", "")
		}
		if e.Respond != nil && e.Respond.Status != 200 {
			_, at := entry(n, "respond")
			if status, _ := entry(at, "status"); status != nil {
				at = status
			}
			r.fail(at, "leave the status out, and give the text of the page", "an error page has the status of the error")
		}
	},
}.shape()
