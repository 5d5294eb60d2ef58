package config

import (
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var expectedStatus = shape[Expected]{
	read: func(r *reader, n *yaml.Node, e *Expected) {
		e.Response = &WantedMessage{Pos: r.pos(n)}
		caseStatus.read(r, n, &e.Response.Status)
	},
	schema: caseStatus.schema,
}

var expectedShape = object[Expected]{
	name: "expect", doc: "What is to come of a case.", short: &expectedStatus,
	pos: func(e *Expected) *Pos { return &e.Pos },
	fields: []field[Expected]{
		at("response", "What the client gets: a status, or a mapping.", ptr(responseShape), func(e *Expected) **WantedMessage { return &e.Response }),
		at("upstream", "What reaches what is behind the filter; none: nothing does.", wantedCalls(wantedBehind), func(e *Expected) *WantedCalls { return &e.Upstream }),
		at("calls", "All that the guest calls, in that order; none: nothing.", wantedCalls(list(callShape)), func(e *Expected) *WantedCalls { return &e.Calls }),
		at("log", "Regular expressions that have to be found in lines such as \"info: text\", in that order; none: nothing is logged.", wantedLogShape, func(e *Expected) *WantedLog { return &e.Log }),
		at("metrics", "What the guest's metrics are at afterwards.", metricsWanted, func(e *Expected) *[]WantedMetric { return &e.Metrics }),
		at("store", "What is in the plugin's own part of the store afterwards: keys, and what their values are to be.", ownWanted, func(e *Expected) *[]WantedSpace { return &e.Store }),
		at("stores", "What is in other parts afterwards, by their names.", wantedSpaces, func(e *Expected) *[]WantedSpace { return &e.Store }),
		at("error", "A regular expression for why the guest or the request fails.", patternShape, func(e *Expected) *Text { return &e.Error }),
		at("refused", "A regular expression for why the guest does not take its configuration.", patternShape, func(e *Expected) *Text { return &e.Refused }),
		at("within", "How long after the request the rest may come: what guests do later, by themselves.", between(time.Millisecond, caseTime, ""), func(e *Expected) *time.Duration { return &e.Within }),
		at("cost", "What it takes at most.", ptr(costShape), func(e *Expected) **WantedCost { return &e.Cost }),
	},
	after: func(r *reader, n *yaml.Node, e *Expected) {
		switch refused, _ := entry(n, "refused"); {
		case n.Kind != yaml.MappingNode:
		case len(n.Content) == 0:
			r.fail(n, "a case with a response of any status is: expect: {response: {}}", "nothing is expected")
		case refused != nil && (e.Response != nil || e.Upstream.Pos.Line > 0 || e.Calls.Pos.Line > 0 || e.Error.Pos.Line > 0):
			r.fail(refused, "beside it there can be log, metrics and cost", "a guest that refuses its configuration gets no request")
		}
	},
}.shape()

// wantedCalls takes the word none, or what messages reads.
func wantedCalls(messages shape[[]WantedMessage]) shape[WantedCalls] {
	return shape[WantedCalls]{
		read: func(r *reader, n *yaml.Node, c *WantedCalls) {
			c.Pos = r.here
			switch {
			case n.Kind != yaml.ScalarNode:
				messages.read(r, n, &c.List)
			case n.Value != "none":
				r.fail(n, "write what it is to be like as a mapping, or none", "want a mapping or none, got %s", kind(n))
			}
		},
		schema: func(d *definitions) schema { return anyOf(schema{"const": "none"}, messages.schema(d)) },
	}
}

// wantedBehind is the one message that can reach what is behind a filter.
var wantedBehind = shape[[]WantedMessage]{
	read: func(r *reader, n *yaml.Node, v *[]WantedMessage) {
		*v = make([]WantedMessage, 1)
		behindShape.read(r, n, &(*v)[0])
	},
	schema: func(d *definitions) schema { return behindShape.schema(d) },
}

// messageFields are what requests are looked at for; those of names alone.
func messageFields(names ...string) (fields []field[WantedMessage]) {
	all := []field[WantedMessage]{
		at("to", "What is called.", wantedText, func(m *WantedMessage) *Wanted { return &m.To }),
		at("method", "The method.", wantedText, func(m *WantedMessage) *Wanted { return &m.Method }),
		at("path", "With the query, if there is one.", wantedText, func(m *WantedMessage) *Wanted { return &m.Path }),
		at("scheme", "http or https.", wantedText, func(m *WantedMessage) *Wanted { return &m.Scheme }),
		at("authority", "Host and port.", wantedText, func(m *WantedMessage) *Wanted { return &m.Authority }),
		at("status", "The status.", caseStatus, func(m *WantedMessage) *int { return &m.Status }),
		at("header", "Fields by name.", wantedFieldsShape, func(m *WantedMessage) *[]WantedField { return &m.Header }),
		at("body", "The whole body.", wantedText, func(m *WantedMessage) *Wanted { return &m.Body }),
		at("trailer", "Fields after the body.", wantedFieldsShape, func(m *WantedMessage) *[]WantedField { return &m.Trailer }),
		at("hints", "Fields of the interim responses (103) that came before.", wantedFieldsShape, func(m *WantedMessage) *[]WantedField { return &m.Hints }),
	}
	for _, name := range names {
		for _, f := range all {
			if f.key == name {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

func messageShape(name, doc string, short *shape[WantedMessage], fields ...string) shape[WantedMessage] {
	return object[WantedMessage]{
		name: name, doc: doc, short: short, fields: messageFields(fields...),
		pos: func(m *WantedMessage) *Pos { return &m.Pos },
	}.shape()
}

var wantedStatus = shape[WantedMessage]{
	read:   func(r *reader, n *yaml.Node, m *WantedMessage) { caseStatus.read(r, n, &m.Status) },
	schema: caseStatus.schema,
}

var (
	responseShape = messageShape("expect_response", "What the client gets.", &wantedStatus, "status", "header", "body", "trailer", "hints")
	behindShape   = messageShape("expect_upstream", "What reaches what is behind the filter.", nil, "method", "path", "scheme", "authority", "header", "body", "trailer")
	callShape     = messageShape("expect_call", "A call of the guest's.", nil, "to", "method", "path", "scheme", "authority", "header", "body", "trailer")
	callMatch     = messageShape("call_match", "Calls that an answer is for.", nil, "method", "path", "header", "body")
)

var patternText = text("a regular expression", func(s string) error {
	if _, err := regexp.Compile(s); err != nil {
		return &problem{strings.Replace(err.Error(), "error parsing regexp", "not a regular expression", 1), "put a backslash before signs that stand for themselves; see https://pkg.go.dev/regexp/syntax"}
	}
	return nil
})

var patternShape = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.here
		patternText.read(r, n, &t.Text)
	},
	schema: patternText.schema,
}

var wantedLogShape = shape[WantedLog]{
	read: func(r *reader, n *yaml.Node, l *WantedLog) {
		if l.Pos = r.here; n.Kind != yaml.ScalarNode || n.Value != "none" {
			list(patternShape).read(r, n, &l.List)
		}
	},
	schema: list(patternShape).schema,
}

var metricsWanted = pairs[WantedMetric]{
	doc:   "Names of metrics, and numbers.",
	value: inside(integer(-1<<53, 1<<53), func(m *WantedMetric) *int { return &m.Value }),
	key:   func(r *reader, key *yaml.Node, m *WantedMetric) { m.Pos, m.Name = r.pos(key), key.Value },
}.shape()

var costShape = object[WantedCost]{
	name: "cost", doc: "What a case takes at most.",
	pos: func(c *WantedCost) *Pos { return &c.Pos },
	fields: []field[WantedCost]{
		at("fuel", "About one for each instruction, without starting and configuring; the same on every machine.", integer(1, 1<<53), func(c *WantedCost) *int { return &c.Fuel }),
		at("memory", "Of its instance afterwards.", size(1, ""), func(c *WantedCost) *int64 { return &c.Memory }),
	},
}.shape()
