package config

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Cases is a file that says how a module is tested; sdk/TESTING.md explains it. It is read as
// strictly as a configuration is, and does nothing by itself either.
type Cases struct {
	File string
	// Plugin is what all cases have in common. Its Wasm may be empty.
	Plugin Plugin
	// Module says that it answers by itself, and is no filter.
	Module bool
	// Shared has all cases use the same instances, in their order.
	Shared    bool
	Timeout   time.Duration // of one case
	Upstreams []CaseUpstream
	Store     []CaseSpace
	Cases     []*Case
}

// Case is one request, what answers around the guest, and what is to come of that.
type Case struct {
	Pos        Pos
	Name, Skip string // Skip says why it is not run
	// Plugin has the Config, RootID and OnError that differ from the file's, and Limits
	// those limits, unless it is nil.
	Plugin    Plugin
	Limits    *PluginLimits
	Request   CaseRequest
	Upstream  CaseAnswer
	Upstreams []CaseUpstream
	Store     []CaseSpace
	Expect    Expected
}

// CaseRequest is what a client asks.
type CaseRequest struct {
	Pos                                       Pos
	Method, Path, Scheme, Authority, Protocol string
	Header, Trailer                           []Field
	Body                                      CaseBody
	Client                                    string        // address and port
	Leaves                                    time.Duration // 0: it waits
}

// CaseBody is a body that is sent: a text so many times, whose length is known, or Chunks
// one after the other.
type CaseBody struct {
	Pos    Pos
	Text   string
	Times  int // 0: once
	Chunks []string
}

// CaseUpstream is what guests call, by name or origin, and its answers.
type CaseUpstream struct {
	Pos     Pos
	Name    string
	Answers []CaseAnswer
}

// CaseSpace is a part of the store, and what is in it. The first of a file or a case is the
// plugin's own, and has no name.
type CaseSpace struct {
	Pos     Pos
	Name    string
	Entries []Field
}

// WantedSpace is a part of the store, and what its entries are to be.
type WantedSpace struct {
	Pos     Pos
	Name    string
	Entries []WantedField
}

// CaseAnswer is how an upstream answers.
type CaseAnswer struct {
	Pos                    Pos
	Status                 int
	Header, Trailer, Hints []Field
	Body                   CaseBody
	Delay, Pause           time.Duration // before it, and between chunks
	Error                  string        // in place of an answer
	Cut                    bool          // at the body's end
	Match                  *WantedMessage
	Times                  int // 0: for any number of calls
}

// Expected is what is to come of a case. What is nil, empty or without a Line is not looked at.
type Expected struct {
	Pos      Pos
	Response *WantedMessage
	Upstream WantedCalls // of which there is one at most
	Calls    WantedCalls
	Log      WantedLog
	Metrics  []WantedMetric
	Store    []WantedSpace
	Error    Text // regular expressions
	Refused  Text
	Cost     *WantedCost
	Within   time.Duration // until then, what is not so yet may become so
}

// WantedCalls are messages that reach an upstream. With a Line and no List there is to be none.
type WantedCalls struct {
	Pos  Pos
	List []WantedMessage
}

// WantedLog are regular expressions for lines of a log. With a Line and no List there is to be
// none.
type WantedLog struct {
	Pos  Pos
	List []Text
}

// WantedMessage is what a request or a response is to be like.
type WantedMessage struct {
	Pos                                 Pos
	Status                              int // 0: any; of responses alone
	To, Method, Path, Scheme, Authority Wanted
	Header, Trailer, Hints              []WantedField
	Body                                Wanted
}

// WantedField is what fields of one name are to be.
type WantedField struct {
	Pos    Pos
	Name   string
	Absent bool
	All    []Text // in this order, if Wanted has no Line and it is not Absent
	Wanted Wanted
}

// Wanted is what a text is to be; all that is set has to hold.
type Wanted struct {
	Pos             Pos // zero Line: anything
	Exact           bool
	Is              string // if Exact
	Contains, Lacks []string
	Matches         string // a regular expression
	JSON            string // as JSON that says the same
	Size            int64  // -1: any
}

// WantedMetric is what a metric is to be at.
type WantedMetric struct {
	Pos   Pos
	Name  string
	Value int
}

// WantedCost is what a case may take; zero: anything.
type WantedCost struct {
	Pos    Pos
	Fuel   int
	Memory int64
}

// LoadCases reads the file at path, as [Load] reads a configuration.
func LoadCases(path string, env func(string) (string, bool)) (*Cases, error) {
	src, err := readBounded(path, maxSize+1)
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	return ParseCases(path, src, Options{Env: env, ReadFile: readBody})
}

// mostFile bounds files with bodies.
const mostFile = 64 << 20

func readBody(path string) ([]byte, error) {
	b, err := readBounded(path, mostFile+1)
	if err == nil && len(b) > mostFile {
		return nil, fmt.Errorf("read %s: larger than 64 MiB", path)
	}
	return b, err
}

// ParseCases reads src, which errors call name. The error is of type [Errors].
func ParseCases(name string, src []byte, o Options) (*Cases, error) {
	r := newReader(name, src, o)
	r.noun, r.shortest = "a file of cases", "the shortest file of cases is: cases: [{request: GET /, expect: 200}]"
	c := &Cases{File: name}
	if root := r.parse(); root != nil {
		r.begin(root)
		r.global = &Config{Upstreams: calledIn(root)}
		casesShape.read(r, root, c)
	}
	if len(r.errs) > 0 {
		return nil, sorted(r.errs)
	}
	return c, nil
}

// calledIn finds the names of all upstreams in a file of cases, for what grants refer to.
func calledIn(root *yaml.Node) (all []*Pool) {
	add := func(n *yaml.Node) {
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			all = append(all, &Pool{Name: n.Content[i].Value})
		}
	}
	add(child(root, "upstreams"))
	if cases := child(root, "cases"); cases != nil && cases.Kind == yaml.SequenceNode {
		for _, one := range cases.Content {
			add(child(one, "upstreams"))
		}
	}
	return all
}

// isOrigin tells whether what guests call is a URL's origin, and no name.
func isOrigin(s string) bool { return strings.Contains(s, "://") }
