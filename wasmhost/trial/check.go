package trial

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Failure is one thing that came other than a case says.
type Failure struct {
	At        Place
	What      string // "response header x-user"
	Want, Got string
	Hint      string // what may be behind it; "" if nothing is known
}

// Check compares what came of a case with what was to come: nothing is left of a case that
// has passed.
func (c *Case) Check(o *Outcome) (all []Failure) {
	e := &c.Expect
	switch {
	case o.Late && e.Err == nil:
		all = append(all, Failure{At: c.At, What: "time", Want: "an end within " + c.Timeout.String(), Got: "none", Hint: "timeout: in the file gives cases more time"})
	case o.Refused != nil:
		all = append(all, e.refused(o)...)
		return append(all, e.checkLog(o)...)
	case e.Refused != nil:
		return append(all, Failure{At: e.Refused.At, What: "configuration", Want: "refused: " + e.Refused.Re.String(), Got: "the guest took it"})
	}
	all = append(all, e.checkErr(c, o)...)
	for _, got := range o.unanswered {
		all = append(all, Failure{At: c.At, What: "upstreams", Want: "an answer for every call", Got: "none for " + got.String(), Hint: "add one under upstreams: {" + got.To + ": …}"})
	}
	all = append(all, e.checkUpstream(o)...)
	if e.Response != nil {
		all = append(all, e.checkResponse(o)...)
	}
	all = append(all, e.checkCalls(o)...)
	all = append(all, e.checkLog(o)...)
	all = append(all, e.checkMetrics(o)...)
	all = append(all, e.checkStore(o)...)
	return append(all, e.checkCost(o)...)
}

// refused checks why a guest did not take its configuration.
func (e *Expect) refused(o *Outcome) []Failure {
	text := o.Refused.Error()
	switch {
	case e.Refused == nil:
		return []Failure{{At: e.At, What: "configuration", Want: "a guest that starts", Got: text}}
	case !e.Refused.Re.MatchString(text):
		return []Failure{{At: e.Refused.At, What: "configuration", Want: "refused: " + e.Refused.Re.String(), Got: "refused: " + text}}
	}
	return nil
}

// checkErr looks at why the request failed, and at guests that did.
func (e *Expect) checkErr(c *Case, o *Outcome) []Failure {
	reasons := make([]string, 0, len(o.Traps)+1)
	for _, t := range o.Traps {
		reasons = append(reasons, t.Reason)
	}
	if o.Err != nil {
		reasons = append(reasons, o.Err.Error())
	}
	if e.Err != nil {
		if slices.ContainsFunc(reasons, e.Err.Re.MatchString) {
			return nil
		}
		got := "none"
		if len(reasons) > 0 {
			got = strings.Join(reasons, "\n")
		}
		return []Failure{{At: e.Err.At, What: "error", Want: "a match for " + e.Err.Re.String(), Got: got}}
	}
	switch {
	case len(o.Traps) > 0:
		return []Failure{{At: c.At, What: "guest", Want: "no failure", Got: o.Traps[0].Reason, Hint: o.Traps[0].Stack}}
	case o.Err != nil && !o.Late && (o.Response == nil || o.Response.Err != nil || o.Response.Status >= 500 && !c.failing() && !e.wants(o.Response.Status)):
		return []Failure{{At: c.At, What: "request", Want: "no failure", Got: o.Err.Error()}}
	}
	return nil
}

// failing tells whether the case itself has something fail.
func (c *Case) failing() bool { return c.Upstream.Err != "" || c.Upstream.Cut }

// wants tells whether a response of that status is expected.
func (e *Expect) wants(status int) bool { return e.Response != nil && e.Response.Status == status }

func (e *Expect) checkUpstream(o *Outcome) []Failure {
	switch {
	case e.Upstream == nil:
		return nil
	case len(e.Upstream.All) == 0 && o.Upstream != nil:
		return []Failure{{At: e.Upstream.At, What: "upstream", Want: "nothing reaches it", Got: o.Upstream.String()}}
	case len(e.Upstream.All) == 0:
		return nil
	case o.Upstream == nil:
		got := "nothing reached it"
		if o.Response != nil {
			got += "; the response is " + strconv.Itoa(o.Response.Status)
		}
		return []Failure{{At: e.Upstream.At, What: "upstream", Want: "a request", Got: got}}
	}
	return e.Upstream.All[0].differ("upstream ", o.Upstream)
}

func (e *Expect) checkResponse(o *Outcome) []Failure {
	if o.Response == nil {
		return []Failure{{At: e.Response.At, What: "response", Want: "one", Got: "none"}}
	}
	return e.Response.differ("response ", o.Response)
}

func (e *Expect) checkCalls(o *Outcome) (all []Failure) {
	if e.Calls == nil {
		return nil
	}
	for i := range max(len(e.Calls.All), len(o.Calls)) {
		what := "call"
		if max(len(e.Calls.All), len(o.Calls)) > 1 {
			what += " " + strconv.Itoa(i+1)
		}
		switch {
		case i >= len(o.Calls):
			want := e.Calls.All[i].String()
			return append(all, Failure{At: e.Calls.All[i].At, What: what, Want: want, Got: "no more than " + count(int64(len(o.Calls)), "call")})
		case i >= len(e.Calls.All):
			return append(all, Failure{At: e.Calls.At, What: what, Want: "none", Got: o.Calls[i].String()})
		}
		all = append(all, e.Calls.All[i].differ(what+" ", o.Calls[i])...)
	}
	return all
}

func (e *Expect) checkLog(o *Outcome) []Failure {
	if e.Log == nil {
		return nil
	}
	said := make([]string, len(o.Log))
	for i, l := range o.Log {
		said[i] = l.String()
	}
	if len(e.Log.All) == 0 && len(said) > 0 {
		return []Failure{{At: e.Log.At, What: "log", Want: "nothing", Got: firstOf(said)}}
	}
	next := 0
	for _, p := range e.Log.All {
		at := next
		for at < len(said) && !p.Re.MatchString(said[at]) {
			at++
		}
		if at == len(said) {
			f := Failure{At: p.At, What: "log", Want: "a match for " + p.Re.String(), Got: firstOf(said[next:])}
			for _, line := range said[:next] {
				if p.Re.MatchString(line) {
					f.Hint = "a line before matches; they are looked for in order"
				}
			}
			return []Failure{f}
		}
		next = at + 1
	}
	return nil
}

// firstOf shows lines, but not too many.
func firstOf(lines []string) string {
	const few = 6
	switch {
	case len(lines) == 0:
		return "nothing"
	case len(lines) > few:
		return strings.Join(lines[:few], "\n") + "\n… and " + strconv.Itoa(len(lines)-few) + " more"
	}
	return strings.Join(lines, "\n")
}

func (e *Expect) checkMetrics(o *Outcome) (all []Failure) {
	for _, m := range e.Metrics {
		got, ok := o.Metrics[m.Name]
		if ok && got == m.Value {
			continue
		}
		f := Failure{At: m.At, What: "metric " + m.Name, Want: strconv.FormatInt(m.Value, 10), Got: strconv.FormatInt(got, 10)}
		if !ok {
			f.Got = "there is none of that name"
			if names := sortedNames(o.Metrics); names != "" {
				f.Got += "; there are " + names
			}
		}
		all = append(all, f)
	}
	return all
}

func (e *Expect) checkStore(o *Outcome) (all []Failure) {
	for i := range e.Store {
		w := &e.Store[i]
		var values []string
		for _, got := range o.Store {
			if got.Space == w.Space && got.Key == w.Key {
				values = append(values, got.Value)
			}
		}
		f := Field{Absent: w.Absent, Value: w.Value}
		want, got := f.differ(values)
		switch {
		case want == "":
			continue
		case w.Absent:
			want = "no entry"
		case len(values) == 0:
			got = "no entry"
		}
		what := "store " + w.Key
		if w.Space != "" {
			what += " of " + w.Space
		}
		all = append(all, Failure{At: w.At, What: what, Want: want, Got: got})
	}
	return all
}

func (e *Expect) checkCost(o *Outcome) (all []Failure) {
	c := e.Cost
	if c == nil {
		return nil
	}
	if c.Fuel > 0 && o.Fuel > c.Fuel {
		all = append(all, Failure{At: c.At, What: "fuel", Want: "at most " + Grouped(c.Fuel), Got: Grouped(o.Fuel)})
	}
	if c.Memory > 0 && o.Memory > c.Memory {
		all = append(all, Failure{At: c.At, What: "memory", Want: "at most " + count(c.Memory, "byte"), Got: count(o.Memory, "byte")})
	}
	return all
}

// String tells a message from others, as far as it says what it is to be like.
func (m *Message) String() string {
	word := func(t *Text, other string) string {
		switch {
		case t.Is != nil:
			return *t.Is
		case t.looked():
			return "…"
		}
		return other
	}
	return fmt.Sprintf("%s %s to %s", word(&m.Method, "a request"), word(&m.Path, "of any path"), word(&m.To, "any upstream"))
}
