// Package services answers what guests ask of weir beside their ABI: entries of a store,
// passwords, signatures with keys that they never see. sdk/HOST.md describes it as guests
// see it. What a plugin was not granted is denied, with what to write in the
// configuration; what it was, it gets whichever node it runs on.
//
// Everything that guests give may be anything: sizes, counts and times are bounded here,
// and one plugin cannot keep the others from being served.
package services
