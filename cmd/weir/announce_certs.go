package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// announced says at start how many names have certificates from where, and what keeps
// them; nil if no public authority and no store is in use.
func (a *authorities) announced(c *config.Config) []any {
	if a.manager == nil {
		return nil
	}
	names, demand, from := 0, 0, map[string]int{}
	for _, s := range c.Sites {
		list := s.TLS.ACME
		if list == nil {
			list = c.ACME
		}
		for _, h := range s.Hosts {
			if !s.Enabled || len(list) == 0 {
				continue
			}
			switch kindOf(s, h.Name) {
			case fromACME:
				names++
				from[caText(&list[0])]++
			case onDemand:
				demand++
			}
		}
	}
	facts := []any{"names", names}
	if len(from) > 0 {
		var parts []string
		for _, ca := range slices.Sorted(maps.Keys(from)) {
			parts = append(parts, fmt.Sprintf("%s (%d)", ca, from[ca]))
		}
		facts = append(facts, "from", strings.Join(parts, ", "))
	}
	if demand > 0 {
		facts = append(facts, "on_demand", demand)
	}
	_, engine, place := a.opened.get()
	facts = append(facts, "store", engine, "place", place)
	if len(c.Store.Keys) > 0 {
		facts = append(facts, "encrypted", true)
	}
	return facts
}
