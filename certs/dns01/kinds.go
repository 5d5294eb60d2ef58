package dns01

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is one sort of provider and what it has to be told.
type Kind struct {
	Name      string    // as in the configuration: "cloudflare"
	Doc       string    // for users: what it is, and what to prepare there
	Settings  []Setting // in the order in which they are worth reading
	Publishes bool      // what Open gives is a [Publisher], too

	open func(settings) (Provider, error)
}

// Setting is one thing that a provider can be told.
type Setting struct {
	Name     string   // as in the configuration: "token"
	Doc      string   // for users: half a sentence
	Required bool     // Open refuses to go without
	Secret   bool     // nobody may see it: not in logs, errors or a running configuration
	Default  string   // what an empty value means
	Choices  []string // nil: anything that the provider takes
	Example  string   // for documentation
}

// Providers is the table of what there is, in the order of names. A new kind is a file
// and a line here.
func Providers() []Kind {
	return []Kind{
		acmeDNSKind(),
		cloudflareKind(),
		desecKind(),
		digitalOceanKind(),
		hetznerKind(),
		rfc2136Kind(),
		route53Kind(),
	}
}

// SettingError says which setting of a provider is wrong, so that a configuration can
// point at it.
type SettingError struct {
	Provider string   // the kind, as it was asked for
	Setting  string   // "provider" if there is no such kind
	Reason   string   // half a sentence, without the value of a secret
	Nearest  string   // what may have been meant, if anything is near
	Known    []string // what is possible instead, if that is a list
}

// Error implements error.
func (e *SettingError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "open dns provider %q: %s: %s", e.Provider, e.Setting, e.Reason)
	if e.Nearest != "" {
		fmt.Fprintf(&b, "; did you mean %q?", e.Nearest)
	}
	if len(e.Known) > 0 {
		fmt.Fprintf(&b, " (known: %s)", strings.Join(e.Known, ", "))
	}
	return b.String()
}

// Open makes the provider of that name. It asks nobody: whether credentials are good
// shows with the first record. Every error is a [SettingError].
func Open(name string, values map[string]string) (Provider, error) {
	kinds := Providers()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		var known []string
		for _, k := range kinds {
			known = append(known, k.Name)
		}
		return nil, &SettingError{name, "provider", "there is none of that name", nearest(name, known), known}
	}
	s := settings{kind: kinds[i], values: values}
	if err := s.check(); err != nil {
		return nil, err
	}
	return kinds[i].open(s)
}

// settings are what one provider is told.
type settings struct {
	kind   Kind
	values map[string]string
}

func (s settings) check() error {
	var known []string
	for _, set := range s.kind.Settings {
		known = append(known, set.Name)
	}
	names := make([]string, 0, len(s.values))
	for name := range s.values {
		names = append(names, name)
	}
	slices.Sort(names) // the same error every time
	for _, name := range names {
		if !slices.Contains(known, name) {
			return &SettingError{s.kind.Name, name, "there is no such setting", nearest(name, known), known}
		}
		if v := s.values[name]; strings.ContainsFunc(v, isControl) {
			return s.wrong(name, "there is a line break or another control character in it")
		}
	}
	for _, set := range s.kind.Settings {
		v := s.get(set.Name)
		switch {
		case set.Required && v == "":
			return s.wrong(set.Name, "is missing: "+set.Doc)
		case v != "" && set.Choices != nil && !slices.Contains(set.Choices, v):
			return &SettingError{s.kind.Name, set.Name, fmt.Sprintf("%q is not possible", v), nearest(v, set.Choices), set.Choices}
		}
	}
	return nil
}

// get returns a setting, or its default.
func (s settings) get(name string) string {
	if v := s.values[name]; v != "" {
		return v
	}
	for _, set := range s.kind.Settings {
		if set.Name == name {
			return set.Default
		}
	}
	return ""
}

func (s settings) wrong(setting, reason string) error {
	return &SettingError{Provider: s.kind.Name, Setting: setting, Reason: reason}
}

// YAML is the shortest configuration that names this provider, as documentation shows
// it: what is required, secrets from files.
func (k Kind) YAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dns: {provider: %s", k.Name)
	for _, s := range k.Settings {
		switch {
		case s.Secret && (s.Required || s.Example != ""):
			fmt.Fprintf(&b, ", %s: {file: /run/secrets/%s}", s.Name, strings.ReplaceAll(s.Name, "_", "-"))
		case s.Example != "":
			fmt.Fprintf(&b, ", %s: %q", s.Name, s.Example)
		}
	}
	b.WriteString("}")
	return b.String()
}

// nearest is the one of known that name was most likely meant to be, or "".
func nearest(name string, known []string) string {
	name = strings.ToLower(name)
	if name == "" || len(name) > 64 {
		return ""
	}
	best, at := "", 1+len(name)/3
	for _, k := range known {
		// "hetz" and "hetzner-cloud" are near to "hetzner", whatever the distance.
		d := distance(name, k)
		if len(name) >= 3 && (strings.HasPrefix(k, name) || strings.HasPrefix(name, k)) {
			d = min(d, 1)
		}
		if d <= at && (best == "" || d < at) {
			best, at = k, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
