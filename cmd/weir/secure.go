package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/route"
)

// authorities are where certificates come from. They live as long as the process.
type authorities struct {
	log      *slog.Logger
	dry      bool // open no internal CA
	files    *certs.Files
	internal *certs.Internal // opened when the first site needs it
}

func newAuthorities(log *slog.Logger) *authorities {
	return &authorities{log: log, files: certs.NewFiles(certs.FilesOptions{Log: log})}
}

func (a *authorities) close() {
	a.files.Close()
	if a.internal != nil {
		a.internal.Close()
	}
}

// caDir is where the internal CA of a configuration is kept.
func caDir(c *config.Config) (string, error) {
	if c.CA.Dir != "" {
		return c.CA.Dir, nil
	}
	data, err := dataDir(c)
	if err != nil {
		return "", err
	}
	return filepath.Join(data, "ca"), nil
}

func (a *authorities) openInternal(c *config.Config) (*certs.Internal, error) {
	if a.internal != nil {
		return a.internal, nil
	}
	dir, err := caDir(c)
	if err != nil {
		return nil, err
	}
	if a.dry {
		return nil, nil
	}
	a.internal, err = certs.OpenInternal(dir, certs.InternalOptions{Name: c.CA.Name, Log: a.log})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		err = hinted{err, fmt.Sprintf("set data: (or WEIR_DATA_DIR) to a directory that user %d may write", os.Getuid())}
	}
	return a.internal, err
}

// chooser decides how a connection is secured: by the site that its SNI names.
type chooser struct {
	routes *route.Table[*edge.Route]
	sites  map[string]edge.Security // by the host as the table names it
}

func (c *chooser) choose(hello *tls.ClientHelloInfo) (edge.Security, error) {
	host := edge.HostOf(hello)
	site := c.routes.Site(host)
	if site == nil {
		return edge.Security{}, fmt.Errorf("no site of the name %q", host)
	}
	sec, ok := c.sites[site.Name()]
	if !ok {
		return edge.Security{}, fmt.Errorf("site %s is not served over TLS", site.Name())
	}
	return sec, nil
}

// security makes what the sites of c need for TLS. Sites that need the same share it.
func (b *builder) security() map[string]edge.Security {
	bySetting := map[string]edge.Security{}
	byHost := map[string]edge.Security{}
	for _, s := range b.c.Sites {
		if !s.Enabled || !b.secure(s) {
			continue
		}
		for _, h := range s.Hosts {
			if b.internalMode(s) && h.Name != "default" && !certs.IsInternal(h.Name) {
				b.fail(s.TLS.Pos, h.Pos, fmt.Errorf("%s: %w", h.Name, errPublic))
				continue
			}
			key := fmt.Sprintf("%s %s %s %s %v", s.TLS.Mode, s.TLS.Cert, s.TLS.Key, s.TLS.MinVersion, clientAuthKey(s.TLS.ClientAuth))
			sec, ok := bySetting[key]
			if !ok {
				var err error
				if sec, err = b.secureSite(s); err != nil {
					b.fail(s.TLS.Pos, h.Pos, err)
					break
				}
				bySetting[key] = sec
			}
			byHost[h.Name] = sec
		}
	}
	return byHost
}

func clientAuthKey(a *config.ClientAuth) string {
	if a == nil {
		return ""
	}
	return fmt.Sprint(a.Mode, a.CA)
}

func (b *builder) internalMode(s *config.Site) bool {
	return s.TLS.Mode == "internal" || s.TLS.Mode == "auto"
}

// secure tells whether a site is served over TLS at all.
func (b *builder) secure(s *config.Site) bool {
	return len(b.c.Listen.HTTPS) > 0 && s.TLS.Mode != "off"
}

// errPublic is for names that the internal CA must not vouch for.
var errPublic = hinted{
	errors.New("a public name, and certificates from public authorities (ACME) come with a later version of weir"),
	"give tls: {cert: FILE, key: FILE}, or tls: off",
}

func (b *builder) secureSite(s *config.Site) (edge.Security, error) {
	conf := edge.BaseTLS()
	if s.TLS.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	if b.internalMode(s) {
		ca, err := b.world.certs.openInternal(b.c)
		if err != nil {
			return edge.Security{}, err
		}
		// By the name that the client asks for, of a wildcard too: not every client
		// takes a certificate for *.localhost.
		conf.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.Issue(edge.HostOf(hello)) }
	} else {
		pair, err := b.world.certs.files.LoadPair(s.TLS.Cert, s.TLS.Key)
		if err != nil {
			return edge.Security{}, err
		}
		b.closers = append(b.closers, pair.Close)
		for _, w := range pair.Warnings() {
			b.world.log.Warn("certificate", "site", s.Hosts[0].Name, "warning", w)
		}
		conf.GetCertificate = pair.GetCertificate
	}
	policy, err := clientAuth(conf, s.TLS.ClientAuth)
	return edge.Security{Config: conf, Policy: policy}, err
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
