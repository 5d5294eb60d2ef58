package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/cmd/weir/config"
)

type doctorCmd struct {
	adminFlag
	Site      []string `placeholder:"NAME" help:"Only sites of this name; may be given several times."`
	All       bool     `help:"Look at all names, not at 20 of them."`
	Resolver  []string `placeholder:"HOST:PORT" help:"Ask these resolvers, not the system's."`
	HTTPPort  int      `name:"http-port" default:"80" help:"The port that the authority comes to for http-01."`
	HTTPSPort int      `name:"https-port" default:"443" help:"The port that the authority comes to for tls-alpn-01."`
	JSON      bool     `name:"json" help:"Print JSON."`
}

// Help is what `weir doctor --help` adds.
func (*doctorCmd) Help() string {
	return `It looks for what keeps certificates from being had: the configuration, files and their modes, the store, the clock, the authorities, and for each name DNS, CAA, and whether what an authority would ask comes to the running weir. It orders nothing, and writes nothing but probes to the store, which it takes back.

Names are asked for from here. Behind NAT that may fail where the way from outside is open.

Exit code 1 if anything is wrong; warnings do not count.`
}

// Bounds on the time that it takes.
const (
	examTime  = 5 * time.Second  // one check
	visitTime = 28 * time.Second // all of them, unless --all
	mostNames = 20               // that are looked at, unless --all
)

func (cmd *doctorCmd) Run(a *app) error {
	c, err := cmd.load(a)
	if err != nil {
		if cmd.JSON {
			_ = printJSON(a.stdout, []finding{{Check: "configuration", Subject: cmd.Config, Level: wrong, Found: "it cannot be read", Hint: "weir check says why"}})
		}
		return err
	}
	d := &doctor{cmd: cmd, c: c, addresses: map[string][]netip.Addr{}}
	if err := d.admit(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), visitTime)
	if cmd.All {
		ctx, cancel = context.WithCancel(context.Background())
	}
	defer cancel()
	d.visit(ctx)
	if cmd.JSON {
		err = printJSON(a.stdout, d.found)
	} else {
		err = d.print(a.stdout, isTerminal(a.stdout), widthOf(a.stdout))
	}
	if worst(d.found) == wrong && err == nil {
		err = exitError(exitFailed)
	}
	return err
}

// admit finds out what is to be looked at.
func (d *doctor) admit() error {
	for _, r := range d.cmd.Resolver {
		at, err := netip.ParseAddrPort(r)
		if err != nil {
			return fmt.Errorf("resolver %q: not an address with a port: %w", r, err)
		}
		d.resolver.servers = append(d.resolver.servers, at.String())
	}
	for _, p := range []int{d.cmd.HTTPPort, d.cmd.HTTPSPort} {
		if p < 1 || p > 65535 {
			return fmt.Errorf("port %d: there are 1 to 65535", p)
		}
	}
	d.own = machineAddresses()
	d.targets = targetsOf(d.c, d.cmd.Site)
	if len(d.cmd.Site) > 0 && len(d.sites()) == 0 {
		return fmt.Errorf("no site is named %s", strings.Join(d.cmd.Site, " or "))
	}
	if n := len(d.targets); n > mostNames && !d.cmd.All {
		d.left = n - mostNames
		sample := make([]*target, mostNames)
		for i := range sample {
			sample[i] = d.targets[i*n/mostNames]
		}
		d.targets = sample
	}
	return nil
}

// machineAddresses are those of this machine; nil if they cannot be had.
func machineAddresses() map[netip.Addr]bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	own := map[netip.Addr]bool{}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap()] = true
		}
	}
	return own
}

// target is a name that a public authority certifies.
type target struct {
	site    string
	name    string
	profile string
	issuers []*config.Issuer // best first
}

// targetsOf are the names of c, of the sites that are wanted. Of on-demand ones those
// are left out that stand for many: who knows which are asked for.
func targetsOf(c *config.Config, wanted []string) (all []*target) {
	if len(c.Listen.HTTPS) == 0 {
		return nil
	}
	seen := map[string]bool{}
	for _, s := range c.Sites {
		for _, h := range s.Hosts {
			k := kindOf(s, h.Name)
			many := h.Name == "default" || k == onDemand && strings.Contains(h.Name, "*")
			if !s.Enabled || k != fromACME && k != onDemand || many || seen[h.Name] || !isWanted(s, wanted) {
				continue
			}
			seen[h.Name] = true
			all = append(all, &target{site: s.Hosts[0].Name, name: h.Name, profile: s.TLS.Profile, issuers: issuersOf(c, s)})
		}
	}
	return all
}

func issuersOf(c *config.Config, s *config.Site) (all []*config.Issuer) {
	list := s.TLS.ACME
	if list == nil {
		list = c.ACME
	}
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}

func isWanted(s *config.Site, wanted []string) bool {
	for _, w := range wanted {
		for _, h := range s.Hosts {
			if strings.EqualFold(strings.TrimSuffix(w, "."), h.Name) {
				return true
			}
		}
	}
	return len(wanted) == 0
}

// by tells whether one of its authorities may use a kind of challenge for a name.
func (t *target) by(challenge string) bool {
	if strings.HasPrefix(t.name, "*.") && challenge != "dns-01" {
		return false
	}
	for _, i := range t.issuers {
		if slices.Contains(i.Challenges, challenge) {
			return true
		}
	}
	return false
}

// address is the address that the name is, if it is one.
func (t *target) address() (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(t.name, "[]"))
	return addr.Unmap(), err == nil
}

// sites are those that are wanted and enabled.
func (d *doctor) sites() (all []*config.Site) {
	for _, s := range d.c.Sites {
		if s.Enabled && isWanted(s, d.cmd.Site) {
			all = append(all, s)
		}
	}
	return all
}

// private tells whether the Internet does not route to an address.
func private(a netip.Addr) bool { return certs.IsInternal(a.String()) || !a.IsGlobalUnicast() }
