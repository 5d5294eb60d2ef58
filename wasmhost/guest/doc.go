// Package guest holds what ABIs have in common: the plugin that a guest belongs to,
// what it is granted, what its failures become, and what is counted of it.
package guest
