package config

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func loadSchema(t *testing.T) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatalf("the schema is no JSON: %v", err)
	}
	return s
}

// TestSchema_HoldsForFiles checks every golden input against the schema: what the
// reader takes, the schema must take, and a misspelled key neither.
func TestSchema_HoldsForFiles(t *testing.T) {
	t.Parallel()
	root := loadSchema(t)
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	valid := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		src, _, _ := strings.Cut(string(b), divider)
		var doc yaml.Node
		if yaml.Load([]byte(src), &doc) != nil || strings.Contains(src, "<<:") {
			continue
		}
		problem := validate(root, root, plain(doc.Content[0]))
		_, refused := Parse("weir.yaml", []byte(src), testOptions())
		switch {
		case refused == nil:
			if valid++; problem != "" {
				t.Errorf("%s: the reader takes it, the schema says %s", file, problem)
			}
		case strings.Contains(refused.Error(), "unknown key") && problem == "":
			t.Errorf("%s: the schema takes an unknown key", file)
		}
		if refused == nil {
			var normal yaml.Node
			if err := yaml.Load([]byte(parseText("weir.yaml", []byte(src))), &normal); err != nil {
				t.Fatal(err)
			}
			if problem := validate(root, root, plain(normal.Content[0])); problem != "" {
				t.Errorf("%s: of the normal form the schema says %s", file, problem)
			}
		}
	}
	if valid < 5 {
		t.Errorf("only %d files were valid", valid)
	}
}

// TestSchema_KeysAreKnownToTheReader holds that the schema offers no key that the
// reader refuses, and describes each.
func TestSchema_KeysAreKnownToTheReader(t *testing.T) {
	t.Parallel()
	root := loadSchema(t)
	site := root["$defs"].(map[string]any)["site"].(map[string]any)
	route := root["$defs"].(map[string]any)["route"].(map[string]any)
	for form, s := range map[string]map[string]any{"%s: []\n": root, "sites: {a: {%s: []}}": site, "sites: {a: {routes: [{%s: []}]}}": route} {
		for key, v := range s["properties"].(map[string]any) {
			_, err := Parse("weir.yaml", fmt.Appendf(nil, form, key), Options{})
			if err != nil && strings.Contains(err.Error(), "unknown key \""+key) {
				t.Errorf("%s: %v", key, err)
			}
			if v.(map[string]any)["description"] == nil && key != "import" {
				t.Errorf("the key %s has no description", key)
			}
		}
	}
}

// plain makes of a node what JSON would be of it.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		var a []any
		for _, c := range n.Content {
			a = append(a, plain(c))
		}
		return a
	}
	if n.Style == 0 {
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
		if n.Value == "true" || n.Value == "false" {
			return n.Value == "true"
		}
		if isNull(n) {
			return nil
		}
	}
	return n.Value
}

// validate checks a value against the part of JSON Schema that is used here.
func validate(root, s map[string]any, v any) string {
	if ref, ok := s["$ref"].(string); ok {
		target := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")]
		if problem := validate(root, target.(map[string]any), v); problem != "" {
			return problem
		}
	}
	if all, ok := s["anyOf"].([]any); ok {
		var problems []string
		for _, one := range all {
			problem := validate(root, one.(map[string]any), v)
			if problem == "" {
				problems = nil
				break
			}
			problems = append(problems, problem)
		}
		if problems != nil {
			return "none of (" + strings.Join(problems, "; ") + ")"
		}
	}
	if types, ok := s["type"]; ok && !hasType(types, v) {
		return fmt.Sprintf("%v is no %v", v, types)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.ContainsFunc(enum, func(e any) bool { return e == v }) {
		return fmt.Sprintf("%v is none of %v", v, enum)
	}
	if pattern, ok := s["pattern"].(string); ok {
		if text, ok := v.(string); ok && !regexp.MustCompile(pattern).MatchString(text) {
			return fmt.Sprintf("%q does not match %s", text, pattern)
		}
	}
	if m, ok := v.(map[string]any); ok {
		return validateObject(root, s, m)
	}
	if items, ok := s["items"].(map[string]any); ok {
		list, _ := v.([]any)
		for i, item := range list {
			if problem := validate(root, items, item); problem != "" {
				return fmt.Sprintf("[%d]: %s", i, problem)
			}
		}
	}
	return ""
}

func validateObject(root, s, m map[string]any) string {
	if required, ok := s["required"].([]any); ok {
		for _, key := range required {
			if _, ok := m[key.(string)]; !ok {
				return fmt.Sprintf("%v is missing", key)
			}
		}
	}
	properties, _ := s["properties"].(map[string]any)
	patterns, _ := s["patternProperties"].(map[string]any)
	for key, value := range m {
		sub, known := properties[key].(map[string]any)
		for pattern, p := range patterns {
			if !known && regexp.MustCompile(pattern).MatchString(key) {
				sub, known = p.(map[string]any), true
			}
		}
		if !known {
			switch additional := s["additionalProperties"].(type) {
			case map[string]any:
				sub = additional
			case bool:
				if !additional {
					return "unknown key " + key
				}
				continue
			default:
				continue
			}
		}
		if problem := validate(root, sub, value); problem != "" {
			return key + ": " + problem
		}
	}
	return ""
}

func hasType(types, v any) bool {
	names, ok := types.([]any)
	if !ok {
		names = []any{types}
	}
	for _, name := range names {
		switch v := v.(type) {
		case map[string]any:
			ok = name == "object"
		case []any:
			ok = name == "array"
		case string:
			ok = name == "string"
		case bool:
			ok = name == "boolean"
		case float64:
			ok = name == "number" || name == "integer" && v == math.Trunc(v)
		default:
			ok = name == "null"
		}
		if ok {
			return true
		}
	}
	return false
}
