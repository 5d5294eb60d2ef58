package main

import (
	"crypto/sha256"
	"fmt"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// settings are what a process takes from its first configuration and cannot change.
type settings struct {
	limits  [5]int64
	times   [6]int64
	admin   string
	memory  [2]int64
	ca      config.CA
	shared  string // of the store, and of what is opened with it
	tls     string
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
	st, ce := *c.Store, c.Certificates
	st.Pos, st.Keys = config.Pos{}, nil
	s.shared = fmt.Sprintf("%+v %d %v %v %v %v", st, ce.Cache, ce.Check, ce.ClockSkewAlarm, ce.RenewAt, c.OnDemand.Wait)
	for _, k := range c.Store.Keys {
		s.shared += fmt.Sprintf(" %x", sha256.Sum256(k.Bytes))
	}
	s.tls = fmt.Sprint(c.TLS.ZeroRTT)
	if t := c.TLS.Tickets; t != nil {
		s.tls += fmt.Sprint(t.Rotate, t.Keep)
	}
	if e := c.TLS.ECH; e != nil {
		s.tls += e.PublicName.Text
	}
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
	note("store, certificates or on_demand.wait", s.shared == later.shared)
	note("tls: session_tickets, zero_rtt or ech", s.tls == later.tls)
	note("data", s.dataDir == later.dataDir)
	return names
}
