package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/route"
)

// kind is where the certificate for a name comes from.
type kind int

const (
	noTLS kind = iota
	fromFiles
	fromInternal // weir's own authority
	fromACME     // a public one, always
	onDemand     // a public one, when the first client asks
)

func kindOf(s *config.Site, host string) kind {
	switch mode := s.TLS.Mode; {
	case mode == "off":
		return noTLS
	case mode == "files":
		return fromFiles
	case mode == "internal", mode == "auto" && host == "default", certs.IsInternal(host):
		return fromInternal
	case mode == "on-demand":
		return onDemand
	}
	return fromACME
}

// chooser decides how a connection is secured: by the site that its SNI names.
type chooser struct {
	routes *route.Table[*edge.Route]
	sites  map[string]edge.Security // by the host as the table names it
	other  string                   // the host for clients that name none; "" if there is none
	alpn   *tls.Config              // for validators (RFC 8737); nil: none are expected
}

func (c *chooser) choose(hello *tls.ClientHelloInfo) (edge.Security, error) {
	if c.alpn != nil && issuer.IsALPN(hello) {
		return edge.Security{Config: c.alpn}, nil
	}
	host := edge.HostOf(hello)
	site := c.routes.Site(host)
	if site == nil && hello.ServerName == "" && c.other != "" {
		site = c.routes.Site(c.other)
	}
	if site == nil {
		return edge.Security{}, fmt.Errorf("no site of the name %q", host)
	}
	sec, ok := c.sites[site.Name()]
	if !ok {
		return edge.Security{}, fmt.Errorf("site %s is not served over TLS", site.Name())
	}
	return sec, nil
}

// securities are what the sites of a configuration need for TLS, as far as it has been
// found out.
type securities struct {
	bySetting, byHost map[string]edge.Security
	names             map[string]*certs.Policy // that have certificates of public authorities
	demand            map[string]*certs.Policy // by the host as the table names it
}

// secured makes what decides about handshakes, and the plan of the certificates that
// have to be obtained for it.
func (b *builder) secured(table *route.Table[*edge.Route]) *chooser {
	s := securities{map[string]edge.Security{}, map[string]edge.Security{}, map[string]*certs.Policy{}, map[string]*certs.Policy{}}
	for _, site := range b.c.Sites {
		if site.Enabled && b.secure(site) {
			b.secureHosts(site, &s)
		}
	}
	a, c := b.world.certs, &chooser{routes: table, sites: s.byHost, other: b.c.Certificates.Default.Text}
	if a.answers != nil {
		c.alpn = edge.BaseTLS()
		c.alpn.NextProtos = []string{acmez.ACMETLS1Protocol}
		c.alpn.SessionTicketsDisabled = true
		c.alpn.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return a.answers.ALPN(hello.Context(), hello.ServerName)
		}
	}
	plan := &certs.Plan{Names: s.names, OwnAlways: b.c.Certificates.Wildcards == "off"}
	plan.Guard, a.planGuard = b.demandGuard()
	if len(s.demand) > 0 && table != nil {
		plan.Demand = func(name string) *certs.Policy {
			if site := table.Site(name); site != nil {
				return s.demand[site.Name()]
			}
			return nil
		}
	}
	a.plan, a.planECH, a.inPlan = plan, b.publications(&s), b.inPlan
	return c
}

// secureHosts finds out what the hosts of a site need. Sites that need the same share it.
func (b *builder) secureHosts(s *config.Site, all *securities) {
	for _, h := range s.Hosts {
		k := kindOf(s, h.Name)
		if k == fromInternal && h.Name != "default" && !certs.IsInternal(h.Name) {
			b.fail(s.TLS.Pos, h.Pos, fmt.Errorf("%s: %w", h.Name, errPublic))
			continue
		}
		if err := checkPublic(k, h.Name); err != nil {
			b.fail(h.Pos, s.Pos, err)
			continue
		}
		switch k {
		case fromACME:
			all.names[h.Name] = b.policy(s)
		case onDemand:
			all.demand[h.Name] = b.policy(s)
		}
		key := fmt.Sprintf("%d %s %s %s %v", k, s.TLS.Cert, s.TLS.Key, s.TLS.MinVersion, clientAuthKey(s.TLS.ClientAuth))
		if k == onDemand {
			k = fromACME // which is the same for a handshake
		}
		sec, ok := all.bySetting[key]
		if !ok {
			var err error
			if sec, err = b.secureSite(s, k); err != nil {
				b.fail(s.TLS.Pos, h.Pos, err)
				break
			}
			all.bySetting[key] = sec
		}
		all.byHost[h.Name] = sec
	}
}

// checkPublic says why no public authority will certify a name.
func checkPublic(k kind, host string) error {
	if k == fromACME && !strings.ContainsAny(host, ".:") {
		return hinted{
			fmt.Errorf("%s: a name of one label, for which nobody issues certificates", host),
			"call it " + host + ".internal or " + host + ".lan, for which weir's own CA signs; or give tls: {cert: FILE, key: FILE}",
		}
	}
	return nil
}

func clientAuthKey(a *config.ClientAuth) string {
	if a == nil {
		return ""
	}
	return fmt.Sprint(a.Mode, a.CA)
}

// secure tells whether a site is served over TLS at all.
func (b *builder) secure(s *config.Site) bool {
	return len(b.c.Listen.HTTPS) > 0 && s.TLS.Mode != "off"
}

// errPublic is for names that the internal CA must not vouch for.
var errPublic = hinted{
	errors.New("a public name, for which weir's own CA does not sign"),
	"leave tls: away for a certificate of a public authority (ACME), or give tls: {cert: FILE, key: FILE}",
}

func (b *builder) secureSite(s *config.Site, k kind) (edge.Security, error) {
	conf := edge.BaseTLS()
	if s.TLS.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	conf.SessionTicketsDisabled = b.c.TLS.Tickets == nil
	switch k {
	case fromInternal:
		ca, err := b.world.certs.openInternal(b.c)
		if err != nil {
			return edge.Security{}, err
		}
		// By the name that the client asks for, of a wildcard too: not every client
		// takes a certificate for *.localhost.
		conf.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.Issue(edge.HostOf(hello)) }
	case fromFiles:
		pair, err := b.world.certs.files.LoadPair(s.TLS.Cert, s.TLS.Key)
		if err != nil {
			return edge.Security{}, err
		}
		b.closers = append(b.closers, pair.Close)
		for _, w := range pair.Warnings() {
			b.world.log.Warn("certificate", "site", s.Hosts[0].Name, "warning", w)
		}
		conf.GetCertificate = pair.GetCertificate
	case fromACME:
		conf.GetCertificate = managed(b.world.certs.manager, b.c)
	}
	policy, err := clientAuth(conf, s.TLS.ClientAuth)
	return edge.Security{Config: conf, Policy: policy}, err
}

// managed serves the certificates that the manager has.
func managed(m *certs.Manager, c *config.Config) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	other, wait := c.Certificates.Default.Text, c.OnDemand.Wait
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := edge.HostOf(hello)
		if cert := m.Cached(name); cert != nil {
			return cert, nil
		}
		client := netip.Addr{}
		if hello.Conn != nil {
			if at, err := netip.ParseAddrPort(hello.Conn.RemoteAddr().String()); err == nil {
				client = at.Addr().Unmap()
			}
			if hello.ServerName == "" && other != "" && !m.Knows(name) {
				name = other
			}
			// A certificate that has to be obtained takes longer than a handshake may.
			_ = hello.Conn.SetDeadline(time.Now().Add(wait + 5*time.Second))
		}
		return m.Certificate(hello.Context(), name, client)
	}
}

// clientAuth adds what a site asks of clients, and names the policy. Anything
// doubtful about its authorities ends the start or the reload (security P8).
func clientAuth(conf *tls.Config, a *config.ClientAuth) (policy string, err error) {
	if a == nil {
		return "", nil
	}
	pool, policy, err := clientPolicy(a)
	if err != nil {
		return "", err
	}
	conf.ClientCAs = pool
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	if a.Mode == "optional" {
		conf.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// A session that is resumed is not verified again, and tickets are shared by all
	// sites (security P14): with certificates, every handshake is a full one.
	conf.SessionTicketsDisabled = true
	return policy, nil
}

// clientPolicy names a policy by what it asks and of whom, so that the same one has
// the same name after a reload, and another one never has.
func clientPolicy(a *config.ClientAuth) (*x509.CertPool, string, error) {
	pool, fingerprint, err := certs.ClientCAs(a.CA...)
	return pool, a.Mode + ":" + fingerprint, err
}
