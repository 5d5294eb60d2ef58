package certs

import (
	"slices"
	"strings"
)

// Kept lists the names that have a certificate.
func (c *Internal) Kept() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var names []string
	for name := range c.leaves {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
