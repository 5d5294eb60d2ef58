package main

import "github.com/weirproxy/weir/cmd/weir/config"

// settings are what a process takes from its first configuration and cannot change.
type settings struct {
	limits  [5]int64
	times   [6]int64
	admin   string
	memory  [2]int64
	ca      config.CA
	dataDir string
}

func settingsOf(c *config.Config) settings {
	l, t := &c.Limits, &c.Timeouts
	s := settings{
		limits:  [5]int64{l.HeaderBytes, int64(l.HeaderFields), l.RequestLine, int64(l.RequestsPerConnection), int64(l.Streams)},
		times:   [6]int64{int64(t.Handshake), int64(t.Header), int64(t.Idle), int64(t.Write), t.BodyRate, int64(t.Drain)},
		admin:   c.Admin.Address,
		memory:  [2]int64{int64(c.Memory.GOGC), c.Memory.Limit},
		ca:      c.CA,
		dataDir: c.Data,
	}
	s.ca.Pos = config.Pos{}
	return s
}

// changed names the settings in which a later configuration differs.
func (s settings) changed(later settings) (names []string) {
	note := func(name string, same bool) {
		if !same {
			names = append(names, name)
		}
	}
	note("limits", s.limits == later.limits)
	note("timeouts", s.times == later.times)
	note("admin", s.admin == later.admin)
	note("memory", s.memory == later.memory)
	note("ca", s.ca == later.ca)
	note("data", s.dataDir == later.dataDir)
	return names
}
