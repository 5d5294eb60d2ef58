package config

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillCaseRequest(_ *reader, q *CaseRequest) {
	*q = CaseRequest{Method: "GET", Path: "/", Scheme: "http", Authority: "example.com", Protocol: "HTTP/1.1", Client: "192.0.2.1:50000"}
}

var caseRequestShape = object[CaseRequest]{
	name: "case_request", doc: "What a client asks.", short: &requestLine,
	pos: func(q *CaseRequest) *Pos { return &q.Pos }, fill: fillCaseRequest,
	fields: []field[CaseRequest]{
		at("method", "Default: GET.", text("a method", checkToken), func(q *CaseRequest) *string { return &q.Method }),
		at("path", "With the query, if there is one. Default: /.", casePath, func(q *CaseRequest) *string { return &q.Path }),
		at("scheme", "Default: http.", word("http", "https"), func(q *CaseRequest) *string { return &q.Scheme }),
		at("authority", "Host and port. Default: example.com.", caseAuthority, func(q *CaseRequest) *string { return &q.Authority }),
		at("protocol", "Default: HTTP/1.1.", word("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"), func(q *CaseRequest) *string { return &q.Protocol }),
		at("header", "Fields by name; a list of values makes several of one name.", sentFieldsShape, func(q *CaseRequest) *[]Field { return &q.Header }),
		at("body", "A text, {json: value}, {file: path}, or {text: …, times: 1000}.", caseBodyShape, func(q *CaseRequest) *CaseBody { return &q.Body }),
		at("chunks", "Texts that are sent one by one, in place of body.", caseChunks, func(q *CaseRequest) *CaseBody { return &q.Body }),
		at("trailer", "Fields after the body.", sentFieldsShape, func(q *CaseRequest) *[]Field { return &q.Trailer }),
		at("client", "The address of who asks. Default: 192.0.2.1:50000.", caseClient, func(q *CaseRequest) *string { return &q.Client }),
		at("leaves", "After how long the client goes away, if it has no answer by then.", between(time.Millisecond, caseTime, ""), func(q *CaseRequest) *time.Duration { return &q.Leaves }),
	},
	after: func(r *reader, n *yaml.Node, q *CaseRequest) {
		oneBody(r, n)
		hostOfCase(r, n, q)
		unframed(r, q.Header)
	},
}.shape()

// oneBody refuses a body that is said twice.
func oneBody(r *reader, n *yaml.Node) {
	body, _ := entry(n, "body")
	if chunks, _ := entry(n, "chunks"); n.Kind == yaml.MappingNode && body != nil && chunks != nil {
		r.fail(chunks, "write one of the two", "there is a body already, in line %d", body.Line)
	}
}

// hostOfCase takes a host for the authority, which is what it is over any protocol.
func hostOfCase(r *reader, n *yaml.Node, q *CaseRequest) {
	i := slices.IndexFunc(q.Header, func(f Field) bool { return f.Name == "host" })
	if i < 0 {
		return
	}
	f := q.Header[i]
	q.Header = slices.Delete(q.Header, i, i+1)
	switch written, _ := entry(n, "authority"); {
	case written != nil && q.Authority != lower(f.Value):
		r.report(f.Pos, len(f.Name), "there is an authority already, in line "+strconv.Itoa(written.Line), "they are the same; leave one out")
	case checkAuthority(lower(f.Value)) != nil:
		r.report(f.Pos, len(f.Name), "want a host, got "+strconv.Quote(short(f.Value)), "")
	default:
		q.Authority = lower(f.Value)
	}
}

// unframed refuses fields that belong to a connection or say where a message ends.
func unframed(r *reader, all []Field) {
	for _, f := range all {
		switch f.Name {
		case "connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			r.report(f.Pos, len(f.Name), f.Name+" is the protocol's affair", "leave it out: body has a length, and chunks have none")
		}
	}
}

// requestLine reads "/path", "GET /path" and "GET https://host/path".
var requestLine = shape[CaseRequest]{
	read: func(r *reader, n *yaml.Node, q *CaseRequest) {
		s, _, ok := r.text(n, "a request such as GET /hello")
		if !ok {
			return
		}
		target := s
		if method, rest, both := strings.Cut(s, " "); both {
			q.Method, target = method, strings.TrimLeft(rest, " ")
		}
		bad := &problem{"want a request such as GET /hello, got " + strconv.Quote(short(s)), "what else a request has is written as a mapping: {method: POST, path: /, header: …, body: …}"}
		if scheme, rest, url := strings.Cut(target, "://"); url {
			if scheme != "http" && scheme != "https" {
				r.failValue(n, bad)
				return
			}
			authority, path, _ := strings.Cut(rest, "/")
			q.Scheme, q.Authority, target = scheme, lower(authority), "/"+path
		}
		if q.Path = target; checkToken(q.Method) != nil || checkCasePath(q.Path) != nil || checkAuthority(q.Authority) != nil {
			r.failValue(n, bad)
		}
	},
	schema: func(*definitions) schema { return schema{"type": "string"} },
}

var casePath = text("a path", checkCasePath)

func checkCasePath(s string) error {
	bad := &problem{"want a path such as /hello?a=b, got " + strconv.Quote(short(s)), "it begins with a slash, and has spaces and other signs as %20"}
	if s == "" || s[0] != '/' {
		if s == "*" {
			return nil
		}
		return bad
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return bad
		}
	}
	path, _, _ := strings.Cut(s, "?")
	if _, err := url.PathUnescape(path); err != nil {
		return bad
	}
	return nil
}

var caseAuthority = text("a host", func(s string) error { return checkAuthority(lower(s)) })

var caseClient = text("an address and a port", func(s string) error {
	if _, err := netip.ParseAddrPort(s); err != nil {
		return &problem{"want an address and a port, got " + strconv.Quote(short(s)), "such as 192.0.2.1:50000 or \"[2001:db8::1]:50000\""}
	}
	return nil
})

// sentFieldsShape reads fields in their order; a list of values makes several.
var sentFieldsShape = shape[[]Field]{
	read: func(r *reader, n *yaml.Node, v *[]Field) {
		eachField(r, n, func(name string, key, value *yaml.Node) {
			var values []Field
			list(headerValue).read(r, value, &values)
			for _, f := range values {
				*v = append(*v, Field{Pos: r.pos(key), Name: name, Value: f.Value})
			}
		})
	},
	schema: func(d *definitions) schema {
		return schema{"type": "object", "additionalProperties": list(plainValue).schema(d)}
	},
}

// eachField calls f for each field of a header that has a proper name.
func eachField(r *reader, n *yaml.Node, f func(name string, key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "write names and values: {content-type: text/plain}", "want a mapping, got %s", kind(n))
		return
	}
	if n = r.withImports(n); n == nil || !r.spend(n, len(n.Content)) {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		name := lower(key.Value)
		r.within(key, func() {
			switch {
			case !isToken(name):
				hint := ""
				if strings.HasPrefix(name, ":") {
					hint = "method, path and the like are settings of their own, beside header"
				}
				r.fail(key, hint, "%s", checkToken(key.Value).Error())
			default:
				f(name, key, n.Content[i+1])
			}
		})
	}
}

// mostCase bounds a body.
const mostCase = 16 << 30

// bodyParts are what a body is written with, if it is no text.
type bodyParts struct {
	text, file, json string
	times            int
}

var caseBodyLong = object[bodyParts]{
	name: "case_body", doc: "A body.",
	fill: func(_ *reader, b *bodyParts) { b.times = 1 },
	fields: []field[bodyParts]{
		at("text", "A text.", content(anyText), func(b *bodyParts) *string { return &b.text }),
		at("times", "How often it is repeated.", integer(1, mostCase), func(b *bodyParts) *int { return &b.times }),
		at("json", "A value, which is sent as JSON.", jsonShape, func(b *bodyParts) *string { return &b.json }),
		at("file", "A file that is sent, beside the cases.", wholeFile, func(b *bodyParts) *string { return &b.file }),
	},
	after: func(r *reader, n *yaml.Node, b *bodyParts) {
		text, _ := entry(n, "text")
		times, _ := entry(n, "times")
		json, _ := entry(n, "json")
		file, _ := entry(n, "file")
		switch said := len(n.Content)/2 - map[bool]int{true: 1}[times != nil]; {
		case said != 1:
			r.fail(n, "write it with one of text, json and file", "want one body, got %d", said)
		case times != nil && text == nil:
			r.fail(times, "", "times belongs to text")
		case json != nil || file != nil: // as it is
		case len(b.text) > 0 && b.times > mostCase/len(b.text):
			r.fail(times, "", "a body has 16GiB at most")
		}
	},
}.shape()

var caseBodyShape = shape[CaseBody]{
	read: func(r *reader, n *yaml.Node, b *CaseBody) {
		b.Pos = r.here
		if n.Kind != yaml.MappingNode {
			if n.Kind == yaml.SequenceNode {
				r.fail(n, "write {json: [...]} to send JSON, or chunks: [...] for a body in parts", "want a text or a mapping, got a list")
				return
			}
			b.Text, _, _ = r.text(n, "a text")
			return
		}
		var parts bodyParts
		before := len(r.errs)
		if caseBodyLong.read(r, n, &parts); len(r.errs) == before {
			b.Text, b.Times = parts.json+parts.file+parts.text, parts.times
		}
	},
	schema: func(d *definitions) schema {
		return anyOf(schema{"type": []string{"string", "number", "boolean"}}, caseBodyLong.schema(d))
	},
}

var chunkText = text("a chunk", anyText)

var caseChunks = shape[CaseBody]{
	read: func(r *reader, n *yaml.Node, b *CaseBody) {
		b.Pos = r.here
		list(chunkText).read(r, n, &b.Chunks)
	},
	schema: list(chunkText).schema,
}

// jsonShape takes any value, and gives JSON that says the same.
var jsonShape = shape[string]{
	read: func(r *reader, n *yaml.Node, v *string) {
		var b strings.Builder
		r.writeJSON(&b, n)
		*v = b.String()
	},
	schema: func(*definitions) schema { return schema{} },
}

// wholeFile gives what a file holds, to its last byte.
var wholeFile = shape[string]{
	read: func(r *reader, n *yaml.Node, v *string) {
		if r.options.ReadFile == nil {
			r.fail(n, "", "files cannot be read here")
			return
		}
		name, before := "", len(r.errs)
		if place("the path of a file").read(r, n, &name); len(r.errs) > before {
			return
		}
		b, err := r.options.ReadFile(name)
		if err != nil {
			r.fail(n, "relative paths begin at the directory of the cases", "%s", err.Error())
			return
		}
		*v = string(b)
	},
	schema: func(*definitions) schema { return schema{"type": "string"} },
}

func fillCaseAnswer(_ *reader, a *CaseAnswer) { *a = CaseAnswer{Status: 200} }

var answerStatus = shape[CaseAnswer]{
	read:   func(r *reader, n *yaml.Node, a *CaseAnswer) { caseStatus.read(r, n, &a.Status) },
	schema: func(d *definitions) schema { return caseStatus.schema(d) },
}

var caseStatus = integer(200, 599)

var caseAnswerShape = object[CaseAnswer]{
	name: "case_answer", doc: "How an upstream answers.", short: &answerStatus,
	pos: func(a *CaseAnswer) *Pos { return &a.Pos }, fill: fillCaseAnswer,
	fields: []field[CaseAnswer]{
		at("status", "Default: 200.", caseStatus, func(a *CaseAnswer) *int { return &a.Status }),
		at("header", "Fields by name; a list of values makes several of one name.", sentFieldsShape, func(a *CaseAnswer) *[]Field { return &a.Header }),
		at("body", "A text, {json: value}, {file: path}, or {text: …, times: 1000}.", caseBodyShape, func(a *CaseAnswer) *CaseBody { return &a.Body }),
		at("chunks", "Texts that are sent one by one, in place of body.", caseChunks, func(a *CaseAnswer) *CaseBody { return &a.Body }),
		at("trailer", "Fields after the body.", sentFieldsShape, func(a *CaseAnswer) *[]Field { return &a.Trailer }),
		at("hints", "Fields of an interim response (103) that comes before.", sentFieldsShape, func(a *CaseAnswer) *[]Field { return &a.Hints }),
		at("delay", "How long it takes.", caseDelay, func(a *CaseAnswer) *time.Duration { return &a.Delay }),
		at("pause", "How long it waits before each of chunks but the first.", caseDelay, func(a *CaseAnswer) *time.Duration { return &a.Pause }),
		at("error", "There is no answer: the call fails with that.", text("a reason", checkPrintable), func(a *CaseAnswer) *string { return &a.Error }),
		at("cut", "The body breaks off where it should end.", boolean, func(a *CaseAnswer) *bool { return &a.Cut }),
		at("match", "Which calls it is for.", ptr(callMatch), func(a *CaseAnswer) **WantedMessage { return &a.Match }),
		at("times", "How many calls it is for, at most.", integer(1, most), func(a *CaseAnswer) *int { return &a.Times }),
	},
	after: func(r *reader, n *yaml.Node, a *CaseAnswer) {
		oneBody(r, n)
		unframed(r, a.Header)
	},
}.shape()

var caseDelay = between(0, 10*time.Second, "")

var caseUpstreamsShape = pairs[CaseUpstream]{
	doc:   "Names or origins, and answers.",
	value: inside(list(caseAnswerShape), func(u *CaseUpstream) *[]CaseAnswer { return &u.Answers }),
	key: func(r *reader, key *yaml.Node, u *CaseUpstream) {
		u.Pos, u.Name = r.pos(key), key.Value
		if !isOrigin(u.Name) {
			if err := errors.Join(checkPrintable(u.Name)); err != nil || u.Name == "" {
				r.fail(key, "", "%q is no name of an upstream", short(u.Name))
			}
			return
		}
		originText.read(r, key, &u.Name)
	},
}.shape()
