package config

import "go.yaml.in/yaml/v4"

func layOut(n *yaml.Node) []byte { b, _ := yaml.Dump(n, yaml.WithLineWidth(-1)); return b }
