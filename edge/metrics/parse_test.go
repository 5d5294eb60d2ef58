package metrics_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// page is an exposition, parsed by the strict reading of the format's description:
// every sample belongs to the family whose HELP and TYPE came just before, no
// series comes twice, histograms are cumulative and end at +Inf.
type page struct {
	samples map[string]float64 // by name and sorted labels: a{b="c"}
	types   map[string]string
}

func parse(t testing.TB, text string) page {
	t.Helper()
	p, err := parsePage(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

func parsePage(text string) (page, error) {
	p := page{make(map[string]float64), make(map[string]string)}
	if !utf8.ValidString(text) || text != "" && !strings.HasSuffix(text, "\n") {
		return p, fmt.Errorf("not UTF-8, or the last line is cut")
	}
	family, helped := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			if helped = name; help == "" {
				return p, fmt.Errorf("%q: no help", line)
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if name != helped || p.types[name] != "" || !slices.Contains([]string{"counter", "gauge", "histogram"}, kind) {
				return p, fmt.Errorf("%q: without HELP, twice, or of no known type", line)
			}
			family, p.types[name] = name, kind
			continue
		}
		if err := p.sample(family, line); err != nil {
			return p, fmt.Errorf("%q: %w", line, err)
		}
	}
	return p, p.checkHistograms()
}

func (p *page) sample(family, line string) error {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return fmt.Errorf("no value")
	}
	name, rest := line[:end], line[end:]
	base := name
	if p.types[family] == "histogram" {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
	}
	if base != family {
		return fmt.Errorf("outside of its family, in %s", family)
	}
	labels, rest, err := parseLabels(rest)
	if err != nil {
		return err
	}
	number, ok := strings.CutPrefix(rest, " ")
	value, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil {
		return fmt.Errorf("value %q", rest)
	}
	if p.types[family] == "counter" && (!strings.HasSuffix(name, "_total") || value < 0) {
		return fmt.Errorf("counter without _total, or negative")
	}
	slices.Sort(labels)
	key := name
	if len(labels) > 0 {
		key += "{" + strings.Join(labels, ",") + "}"
	}
	if _, twice := p.samples[key]; twice {
		return fmt.Errorf("series twice")
	}
	p.samples[key] = value
	return nil
}

func parseLabels(s string) (labels []string, rest string, err error) {
	if !strings.HasPrefix(s, "{") {
		return nil, s, nil
	}
	for s = s[1:]; ; {
		name, after, ok := strings.Cut(s, `="`)
		if !ok || name == "" || strings.ContainsAny(name, `{},"= `) {
			return nil, "", fmt.Errorf("label at %q", s)
		}
		var value strings.Builder
		for s = after; ; s = s[1:] {
			if s == "" {
				return nil, "", fmt.Errorf("label %s does not end", name)
			}
			if s[0] == '"' {
				break
			}
			if s[0] == '\\' {
				if len(s) < 2 || !strings.ContainsRune(`\"n`, rune(s[1])) {
					return nil, "", fmt.Errorf("label %s: bad escape", name)
				}
				s = s[1:]
				value.WriteByte(map[byte]byte{'\\': '\\', '"': '"', 'n': '\n'}[s[0]])
				continue
			}
			value.WriteByte(s[0])
		}
		labels = append(labels, name+"="+strconv.Quote(value.String()))
		switch s = s[1:]; {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, "}"):
			return labels, s[1:], nil
		default:
			return nil, "", fmt.Errorf("after label %s: %q", name, s)
		}
	}
}

func (p *page) checkHistograms() error {
	type series struct{ last, inf float64 }
	all := make(map[string]*series)
	bounds := make(map[string][]float64)
	for key := range p.samples {
		name, labels, _ := strings.Cut(key, "_bucket{")
		if p.types[name] != "histogram" {
			continue
		}
		_, le, ok := strings.Cut(labels, `le="`)
		le, _, _ = strings.Cut(le, `"`)
		bound, err := strconv.ParseFloat(le, 64)
		if !ok || err != nil {
			return fmt.Errorf("%s: le %q", key, le)
		}
		others := name + strings.Replace(labels, `le="`+le+`"`, "", 1)
		bounds[others] = append(bounds[others], bound)
		if all[others] == nil {
			all[others] = new(series)
		}
		if math.IsInf(bound, 1) {
			all[others].inf = p.samples[key]
		}
		all[others].last = max(all[others].last, p.samples[key])
	}
	for others, s := range all {
		if s.inf != s.last || !slices.ContainsFunc(bounds[others], func(b float64) bool { return math.IsInf(b, 1) }) {
			return fmt.Errorf("%s: +Inf is %v, the most is %v", others, s.inf, s.last)
		}
	}
	return nil
}
