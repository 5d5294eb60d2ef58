// Package dns01 proves to a certificate authority that weir may speak for a domain,
// by putting a TXT record into its zone (RFC 8555 section 8.4): the only proof for
// wildcards, and for machines that nobody reaches from outside.
//
// [Open] gives a [Provider], which changes zones by a hoster's API or by DNS UPDATE;
// [Providers] is the table of what there is, from which configuration is checked and
// documentation is made. [Solver] finds the zone, has the provider put the record in,
// waits until the zone's own servers show it, and takes it out again. [Solver.PublishECH]
// writes HTTPS records (RFC 9460) by the same means.
//
// A provider is one file here and one line in Providers. What it is told by an API is
// foreign: bounded in size and time, never part of a path unescaped, and told to people
// without what they have to keep secret.
//
// This package imports nothing of weir.
package dns01
