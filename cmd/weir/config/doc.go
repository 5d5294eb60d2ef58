// Package config reads weir's configuration file into plain data.
//
// [Load] and [Parse] read strictly and report every mistake of a file at once, as
// [Errors]: each with its position, the line it stands in, and what to write
// instead. What they return is whole: defaults are filled in, relative paths are
// resolved against the directory of the file, variables and snippets are replaced.
// A [Config] does nothing by itself; package main builds a running server from it.
//
// [Normal] prints a configuration as weir understood it, [Format] lays a file out
// anew and keeps its comments, and [Schema] is the JSON Schema of the format for
// editors. All of them and the reader share one description of the format, in the
// files called shape_*.go, so that they cannot disagree.
//
// The file is a subset of YAML: no anchors, aliases, tags or merge keys (snippets
// do that work), no second document, no key twice, and only true and false are
// booleans. JSON is YAML too, and is read as well.
package config
