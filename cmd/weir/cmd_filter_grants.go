package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// grants writes what the plugin is granted, and the upstreams among it.
func (cmd *guestFlags) grants(b *strings.Builder) error {
	var own, pools strings.Builder
	for _, list := range []struct {
		key    string
		values []string
	}{{"files", cmd.Mount}, {"urls", cmd.URL}, {"store", cmd.Store}} {
		sequence(&own, list.key, list.values)
	}
	for _, write := range []func(own, pools *strings.Builder) error{cmd.env, cmd.keys, cmd.upstreams} {
		if err := write(&own, &pools); err != nil {
			return err
		}
	}
	if own.Len() > 0 {
		b.WriteString("    grants:\n" + own.String())
	}
	if pools.Len() > 0 {
		b.WriteString("upstreams:\n" + pools.String())
	}
	return nil
}

func sequence(b *strings.Builder, key string, values []string) {
	if len(values) > 0 {
		fmt.Fprintf(b, "      %s:\n", key)
	}
	for _, v := range values {
		fmt.Fprintf(b, "        - %s\n", quote(v))
	}
}

func (cmd *guestFlags) env(b, _ *strings.Builder) error {
	if len(cmd.Env) > 0 {
		b.WriteString("      env:\n")
	}
	for _, e := range cmd.Env {
		name, value, ok := strings.Cut(e, "=")
		if !ok {
			return fmt.Errorf("--env %s: want NAME=VALUE", e)
		}
		fmt.Fprintf(b, "        %s: %s\n", quote(name), quote(value))
	}
	return nil
}

func (cmd *guestFlags) keys(b, _ *strings.Builder) error {
	if len(cmd.Key) > 0 {
		b.WriteString("      keys:\n")
	}
	for _, k := range cmd.Key {
		name, file, given := strings.Cut(k, "=")
		if name == "" || given && file == "" {
			return fmt.Errorf("--key %s: want NAME, or NAME=FILE", k)
		}
		if !given {
			fmt.Fprintf(b, "        %s: auto\n", quote(name))
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--key %s: %w", k, err)
		}
		kind := "secret"
		if bytes.Contains(text, []byte("-----BEGIN ")) {
			kind = "ed25519"
		}
		fmt.Fprintf(b, "        %s: {%s: {file: %s}}\n", quote(name), kind, quote(file))
	}
	return nil
}

func (cmd *guestFlags) upstreams(b, pools *strings.Builder) error {
	var names []string
	for _, u := range cmd.Upstream {
		name, url, ok := strings.Cut(u, "=")
		if !ok || name == "" {
			return fmt.Errorf("--upstream %s: want NAME=URL", u)
		}
		names = append(names, name)
		fmt.Fprintf(pools, "  %s: %s\n", quote(name), quote(url))
	}
	sequence(b, "upstreams", names)
	return nil
}
