package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/trial"
)

// casesOf makes of a file of cases what can be run.
func casesOf(module string, c *config.Cases) ([]trial.Case, error) {
	all := make([]trial.Case, len(c.Cases))
	for i, one := range c.Cases {
		made, err := caseOf(module, c, one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.Pos, err)
		}
		all[i] = made
	}
	return all, nil
}

func caseOf(module string, c *config.Cases, one *config.Case) (trial.Case, error) {
	p := c.Plugin
	p.Wasm = module
	if one.Limits != nil {
		p.Limits = *one.Limits
	}
	p.OnError = cmp.Or(one.Plugin.OnError, p.OnError)
	use := guest.Use{Root: cmp.Or(one.Plugin.RootID, p.RootID), Config: []byte(p.Config.Text)}
	if one.Plugin.Config.Pos.Line > 0 {
		use.Config = []byte(one.Plugin.Config.Text)
	}
	callees := map[string][]trial.Answer{}
	granted := len(p.Grants.Upstreams)+len(p.Grants.URLs) > 0
	for _, u := range append(c.Upstreams[:len(c.Upstreams):len(c.Upstreams)], one.Upstreams...) {
		answers := make([]trial.Answer, len(u.Answers))
		for i := range u.Answers {
			answers[i] = answerOf(&u.Answers[i])
		}
		callees[u.Name] = answers
		switch name := (config.Text{Text: u.Name}); {
		case granted:
		case strings.Contains(u.Name, "://"):
			p.Grants.URLs = append(p.Grants.URLs[:len(p.Grants.URLs):len(p.Grants.URLs)], name)
		default:
			p.Grants.Upstreams = append(p.Grants.Upstreams[:len(p.Grants.Upstreams):len(p.Grants.Upstreams)], name)
		}
	}
	spaces := append(c.Store[:len(c.Store):len(c.Store)], one.Store...)
	if len(p.Grants.Store) == 0 {
		p.Grants.Store = namesOfSpaces(spaces)
	}
	request, err := requestOf(&one.Request)
	return trial.Case{
		At: trialPlace(one.Pos), Name: one.Name, Skip: one.Skip, Settings: settingsOfPlugin(&p), Use: use,
		Module: c.Module, Timeout: c.Timeout, Request: request, Upstream: answerOf(&one.Upstream),
		Callees: callees, Store: entriesOf(spaces), Expect: expectOf(&one.Expect),
	}, err
}

// namesOfSpaces are the parts of the store that have a name.
func namesOfSpaces(all []config.CaseSpace) (names []string) {
	for _, s := range all {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func entriesOf(all []config.CaseSpace) (entries []trial.Entry) {
	for _, s := range all {
		for _, e := range s.Entries {
			entries = append(entries, trial.Entry{Space: s.Name, Key: e.Name, Value: e.Value})
		}
	}
	return entries
}

func trialPlace(p config.Pos) trial.Place { return trial.Place{Line: p.Line, Col: p.Col} }

func requestOf(q *config.CaseRequest) (trial.Request, error) {
	client, err := netip.ParseAddrPort(q.Client)
	proto := map[string]exchange.Proto{"HTTP/1.0": exchange.HTTP10, "HTTP/2": exchange.HTTP2, "HTTP/3": exchange.HTTP3}[q.Protocol]
	return trial.Request{
		Method: q.Method, Scheme: q.Scheme, Authority: q.Authority, Target: q.Path, Proto: cmp.Or(proto, exchange.HTTP11),
		Header: fieldsOfCase(q.Header), Trailer: fieldsOfCase(q.Trailer), Body: bodyOf(&q.Body),
		Client: client, Leaves: q.Leaves,
	}, err
}

func bodyOf(b *config.CaseBody) trial.Body {
	return trial.Body{Text: b.Text, Times: b.Times, Chunks: b.Chunks}
}

func fieldsOfCase(all []config.Field) []exchange.Field {
	fields := make([]exchange.Field, len(all))
	for i, f := range all {
		fields[i] = exchange.Field{Name: f.Name, Value: f.Value}
	}
	return fields
}

func answerOf(a *config.CaseAnswer) trial.Answer {
	made := trial.Answer{
		At: trialPlace(a.Pos), Status: a.Status, Header: fieldsOfCase(a.Header), Trailer: fieldsOfCase(a.Trailer), Hints: fieldsOfCase(a.Hints),
		Body: bodyOf(&a.Body), Delay: a.Delay, Pause: a.Pause, Err: a.Error, Cut: a.Cut, Times: a.Times,
	}
	if a.Match != nil {
		match := messageOf(a.Match)
		made.Match = &match
	}
	return made
}

func expectOf(e *config.Expected) trial.Expect {
	made := trial.Expect{
		At: trialPlace(e.Pos), Upstream: messagesOf(&e.Upstream), Calls: messagesOf(&e.Calls),
		Err: patternOf(&e.Error), Refused: patternOf(&e.Refused), Within: e.Within,
	}
	if e.Response != nil {
		response := messageOf(e.Response)
		made.Response = &response
	}
	if e.Log.Pos.Line > 0 {
		made.Log = &trial.Log{At: trialPlace(e.Log.Pos)}
		for i := range e.Log.List {
			made.Log.All = append(made.Log.All, *patternOf(&e.Log.List[i]))
		}
	}
	for _, m := range e.Metrics {
		made.Metrics = append(made.Metrics, trial.Metric{At: trialPlace(m.Pos), Name: m.Name, Value: int64(m.Value)})
	}
	for _, s := range e.Store {
		for _, w := range s.Entries {
			made.Store = append(made.Store, trial.Stored{At: trialPlace(w.Pos), Space: s.Name, Key: w.Name, Absent: w.Absent, Value: textOf(&w.Wanted)})
		}
	}
	if c := e.Cost; c != nil {
		made.Cost = &trial.Cost{At: trialPlace(c.Pos), Fuel: int64(c.Fuel), Memory: c.Memory}
	}
	return made
}

// patternOf takes an expression that was checked when it was read.
func patternOf(t *config.Text) *trial.Pattern {
	if t.Pos.Line == 0 {
		return nil
	}
	return &trial.Pattern{At: trialPlace(t.Pos), Re: regexp.MustCompile(t.Text)}
}

func messagesOf(w *config.WantedCalls) *trial.Messages {
	if w.Pos.Line == 0 {
		return nil
	}
	made := &trial.Messages{At: trialPlace(w.Pos)}
	for i := range w.List {
		made.All = append(made.All, messageOf(&w.List[i]))
	}
	return made
}

func messageOf(m *config.WantedMessage) trial.Message {
	return trial.Message{
		At: trialPlace(m.Pos), Status: m.Status, To: textOf(&m.To), Method: textOf(&m.Method), Path: textOf(&m.Path),
		Scheme: textOf(&m.Scheme), Authority: textOf(&m.Authority), Body: textOf(&m.Body),
		Header: wantedFields(m.Header), Trailer: wantedFields(m.Trailer), Hints: wantedFields(m.Hints),
	}
}

func wantedFields(all []config.WantedField) []trial.Field {
	fields := make([]trial.Field, len(all))
	for i, f := range all {
		fields[i] = trial.Field{At: trialPlace(f.Pos), Name: f.Name, Absent: f.Absent, Value: textOf(&f.Wanted)}
		for _, v := range f.All {
			fields[i].All = append(fields[i].All, v.Text)
		}
	}
	return fields
}

func textOf(w *config.Wanted) trial.Text {
	t := trial.Text{At: trialPlace(w.Pos), Contains: w.Contains, Lacks: w.Lacks, JSON: w.JSON}
	if w.Exact {
		t.Is = &w.Is
	}
	if w.Pos.Line > 0 && w.Size >= 0 {
		t.Size = &w.Size
	}
	if w.Matches != "" {
		t.Matches = regexp.MustCompile(w.Matches) // checked when it was read
	}
	return t
}
