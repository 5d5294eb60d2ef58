package config

import (
	"time"

	"go.yaml.in/yaml/v4"
)

func fillLog(_ *reader, l *Log) {
	*l = Log{Format: "auto", Requests: "all", Output: "stderr", Level: "info",
		Rotate: Rotate{Size: 100 << 20, Keep: 10},
		Redact: []string{"authorization", "cookie", "proxy-authorization", "set-cookie"}}
}

var logShort = inside(logFormat, func(l *Log) *string { return &l.Format })

var logFormat = word("auto", "off", "console", "json", "clf", "combined")

func logFields() []field[Log] {
	return []field[Log]{
		at("format", "How a request is written. auto: console on a terminal, JSON otherwise.", logFormat, func(l *Log) *string { return &l.Format }),
		at("requests", "Which are written: all, or failed, those with statuses from 500 and those whose answer was cut.", word("all", "failed"), func(l *Log) *string { return &l.Requests }),
		at("output", "stderr, stdout, or the path of a file.", logOutput, func(l *Log) *string { return &l.Output }),
		at("rotate", "When a log file is put aside.", rotateShape, func(l *Log) *Rotate { return &l.Rotate }),
		at("redact", "Header fields whose values are never logged. Default: those with credentials.", list(fieldName), func(l *Log) *[]string { return &l.Redact }),
		at("mask_ip", "Log only the network of a client's address.", boolean, func(l *Log) *bool { return &l.MaskIP }),
	}
}

var logShape = object[Log]{
	name: "log", doc: "Logging.", short: &logShort,
	pos: func(l *Log) *Pos { return &l.Pos }, fill: fillLog,
	fields: append(logFields(),
		at("level", "What weir's own log tells of.", word("debug", "info", "warn", "error"), func(l *Log) *string { return &l.Level })),
}.shape()

// siteLogShape starts from the global log, of which a site may change a part.
var siteLogShape = object[Log]{
	name: "site_log", doc: "The access log of one site. What it leaves out is as in the global one.", short: &logShort,
	pos: func(l *Log) *Pos { return &l.Pos },
	fill: func(r *reader, l *Log) {
		if r == nil {
			return
		}
		g := &r.global.Log
		*l = *g
		inherit(r, &g.Format, &l.Format)
		inherit(r, &g.Requests, &l.Requests)
		inherit(r, &g.Output, &l.Output)
		inherit(r, &g.MaskIP, &l.MaskIP)
		inherit(r, &g.Rotate.Size, &l.Rotate.Size)
		inherit(r, &g.Rotate.Keep, &l.Rotate.Keep)
		inherit(r, &g.Rotate.Age, &l.Rotate.Age)
		inherit(r, &g.Rotate.Compress, &l.Rotate.Compress)
	},
	fields: logFields(),
}.shape()

// inherit gives to the symbol of from: its value has been copied.
func inherit[T any](r *reader, from, to *T) {
	if n := r.symbols[from]; n != nil {
		r.symbols[to] = n
	}
}

var logFile = place("stderr, stdout or the path of a file")

var logOutput = shape[string]{
	read: func(r *reader, n *yaml.Node, v *string) {
		if n.Value == "stderr" || n.Value == "stdout" {
			*v = n.Value
			delete(r.symbols, v)
			return
		}
		logFile.read(r, n, v)
	},
	print: logFile.print, schema: logFile.schema,
}

var rotateShape = object[Rotate]{
	name: "rotate", doc: "When a log file is put aside, and what becomes of it.",
	pos: func(c *Rotate) *Pos { return &c.Pos },
	fields: []field[Rotate]{
		at("size", "Size at which a new file is begun, or none.", size(1<<10, "none"), func(c *Rotate) *int64 { return &c.Size }),
		at("keep", "Number of old files kept, or none: all are.", keepCount, func(c *Rotate) *int { return &c.Keep }),
		at("age", "Time after which old files are removed, or none.", duration(time.Hour, "none"), func(c *Rotate) *time.Duration { return &c.Age }),
		at("compress", "Compress old files.", boolean, func(c *Rotate) *bool { return &c.Compress }),
	},
	after: func(r *reader, n *yaml.Node, c *Rotate) {
		if c.Size > 0 || c.Age == 0 && !c.Compress {
			return
		}
		key := "age"
		if c.Compress {
			key = "compress"
		}
		at, _ := entry(n, key)
		if at == nil {
			at = n // it comes from the global log
		}
		r.fail(at, "give a size too, or leave old files to logrotate", "%s has no meaning where no file is put aside", key)
	},
}.shape()

var keepCount = count(10000)
