package config

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// CasesSchema gives the JSON Schema of files of cases, as [Schema] does of configurations.
func CasesSchema() []byte {
	d := &definitions{all: schema{}}
	root := casesShape.schema(d)
	root["$schema"], root["$id"] = "https://json-schema.org/draft/2020-12/schema", "https://weirproxy.github.io/schema/cases.json"
	root["title"], root["$defs"] = "weir filter test", d.all
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil // as in Schema
	}
	return append(out, '\n')
}

// caseTime bounds what a case waits for, which a person waits for, too.
const caseTime = 10 * time.Minute

var casesShape = object[Cases]{
	name: "cases", doc: "How a module is tested.",
	fill: func(_ *reader, c *Cases) {
		fillPlugin(nil, &c.Plugin)
		c.Timeout = 10 * time.Second
	},
	fields: slices.Concat(
		[]field[Cases]{
			at("module", "Let the module answer by itself, rather than filter. A CGI program always does.", boolean, func(c *Cases) *bool { return &c.Module }),
			at("shared", "Let all cases use the same instances, in their order.", boolean, func(c *Cases) *bool { return &c.Shared }),
			at("timeout", "After which a case has failed.", between(time.Millisecond, caseTime, ""), func(c *Cases) *time.Duration { return &c.Timeout }),
			at("upstreams", "What guests may call, by name or origin, and how it answers.", caseUpstreamsShape, func(c *Cases) *[]CaseUpstream { return &c.Upstreams }),
			at("store", "What is in the plugin's own part of the store before: keys and texts.", ownSpace, func(c *Cases) *[]CaseSpace { return &c.Store }),
			at("stores", "What is in other parts before, by their names.", caseSpaces, func(c *Cases) *[]CaseSpace { return &c.Store }),
			at("snippets", "Named mappings that cases and what they hold can import.", snippetsShape, func(*Cases) *struct{} { return new(struct{}) }),
		},
		lift(casesPlugin(), func(c *Cases) *Plugin { return &c.Plugin }),
		[]field[Cases]{
			required(at("cases", "The cases, in the order in which they run.", refs(caseShape), func(c *Cases) *[]*Case { return &c.Cases })),
		},
	),
	after: func(r *reader, n *yaml.Node, c *Cases) {
		if k, _ := entry(n, "cases"); k != nil && len(c.Cases) == 0 {
			r.fail(k, "the shortest case is: {request: GET /, expect: 200}", "there are no cases")
		}
		nameCases(r, c.Cases)
	},
}.shape()

// casesPlugin are the settings of a plugin that mean something for tests.
func casesPlugin() []field[Plugin] {
	all := slices.DeleteFunc(slices.Clone(pluginFields), func(f field[Plugin]) bool { return f.key == "sha256" || f.key == "vm_id" })
	for i := range all {
		all[i].required = false // the command line names the module
	}
	return all
}

// nameCases names those that have none by their request, and tells equal names apart.
func nameCases(r *reader, all []*Case) {
	seen := map[string]Pos{}
	for _, c := range all {
		if first, twice := seen[c.Name]; c.Name != "" && twice {
			r.report(c.Pos, 1, "the name "+strconv.Quote(short(c.Name))+" is already there in line "+strconv.Itoa(first.Line), "give each case a name of its own")
		}
		seen[c.Name] = c.Pos
	}
	for _, c := range all {
		if c.Name != "" {
			continue
		}
		request := c.Request.Method + " " + c.Request.Path
		c.Name = request
		for n := 2; ; n++ {
			if _, taken := seen[c.Name]; !taken {
				break
			}
			c.Name = request + " #" + strconv.Itoa(n)
		}
		seen[c.Name] = c.Pos
	}
}

var caseName = text("a name", checkPrintable)

var caseShape = object[Case]{
	name: "case", doc: "A request, what answers around the guest, and what is to come of it.",
	pos: func(c *Case) *Pos { return &c.Pos },
	fill: func(r *reader, c *Case) {
		fillCaseRequest(r, &c.Request)
		fillCaseAnswer(r, &c.Upstream)
	},
	fields: slices.Concat(
		[]field[Case]{
			at("name", "What it is called; without one, its request.", caseName, func(c *Case) *string { return &c.Name }),
			at("skip", "Why it is not run.", text("a reason", checkPrintable), func(c *Case) *string { return &c.Skip }),
		},
		lift([]field[Plugin]{pluginConfig, pluginRootID}, func(c *Case) *Plugin { return &c.Plugin }),
		[]field[Case]{
			at("limits", "What guests may take, in place of what the file says.", ptr(pluginLimitsShape), func(c *Case) **PluginLimits { return &c.Limits }),
			at("on_error", "In place of the file's.", word("closed", "open"), func(c *Case) *string { return &c.Plugin.OnError }),
			at("request", "What a client asks: GET /path, or a mapping.", caseRequestShape, func(c *Case) *CaseRequest { return &c.Request }),
			at("upstream", "How what is behind the filter answers: a status, or a mapping.", caseAnswerShape, func(c *Case) *CaseAnswer { return &c.Upstream }),
			at("upstreams", "Upstreams beside the file's, and in place of those with the same names.", caseUpstreamsShape, func(c *Case) *[]CaseUpstream { return &c.Upstreams }),
			at("store", "Entries of the plugin's own part of the store beside the file's.", ownSpace, func(c *Case) *[]CaseSpace { return &c.Store }),
			at("stores", "Entries of other parts beside the file's.", caseSpaces, func(c *Case) *[]CaseSpace { return &c.Store }),
			required(at("expect", "What is to come of it: a status, or a mapping.", expectedShape, func(c *Case) *Expected { return &c.Expect })),
		},
	),
	after: func(r *reader, n *yaml.Node, c *Case) {
		if k, _ := entry(n, "upstream"); k != nil && (c.Upstream.Match != nil || c.Upstream.Times > 0) {
			r.fail(k, "say under expect: {upstream: …} what is to reach it", "match and times are for upstreams that guests call")
		}
	},
}.shape()
