package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/certs/dns01"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/rotate"
	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/nethttp"
	"github.com/weirproxy/weir/edge/store"
)

// authorities are where certificates come from, and what nodes share of TLS. They live
// as long as the process.
type authorities struct {
	log      *slog.Logger
	dry      bool // open neither internal CA nor store
	node     string
	files    *certs.Files
	internal *certs.Internal // opened when the first site needs it

	opened *openedStore // which guests may open, too

	// The following is opened when the first configuration needs the store.
	mirror  *storage.Mirrored // nil: there is no local copy
	shared  storage.Store
	manager *certs.Manager
	answers *issuer.Answers
	tickets *rotate.Tickets // nil: off
	ech     *rotate.ECH     // nil: off
	life    context.Context // ends at close
	end     context.CancelFunc
	done    sync.WaitGroup

	// By their settings, over reloads.
	issuers  map[string]builtIssuer
	policies map[string]*certs.Policy
	guard    *demand.Guard
	guardKey string
	// plan is that of the last build, to be applied with its snapshot, and planGuard the
	// settings of its guard.
	plan      *certs.Plan
	planGuard string
	planECH   []publication
	inPlan    map[string]bool                 // the keys of its issuers and policies
	solvers   map[*certs.Policy]*dns01.Solver // of those that have one

	mu     sync.Mutex // guards what follows
	keys   [][32]byte
	server *edge.Server
	// publications are the names whose HTTPS records weir writes.
	publications []publication
	publish      chan struct{}   // wakes who does; nil: nobody does yet
	shown        authoritiesView // to metrics and the admin listener
}

func newAuthorities(log *slog.Logger) *authorities {
	a := &authorities{
		log: log, opened: newOpenedStore(log), files: certs.NewFiles(certs.FilesOptions{Log: log}),
		issuers: map[string]builtIssuer{}, policies: map[string]*certs.Policy{}, solvers: map[*certs.Policy]*dns01.Solver{},
	}
	a.node, _ = os.Hostname()
	a.life, a.end = context.WithCancel(context.Background())
	return a
}

// wantsStore tells whether c needs the store: for certificates of public authorities,
// or since it names one, and so shares the keys of session tickets.
func wantsStore(c *config.Config) bool {
	if c.Store.Pos.Line > 0 || c.TLS.ECH != nil {
		return true
	}
	if len(c.Listen.HTTPS) == 0 {
		return false
	}
	for _, s := range c.Sites {
		if !s.Enabled {
			continue
		}
		for _, h := range s.Hosts {
			if k := kindOf(s, h.Name); k == fromACME || k == onDemand {
				return true
			}
		}
	}
	return false
}

// open opens the store and what is kept in it, if c needs that and it is not open yet.
func (a *authorities) open(c *config.Config) error {
	if a.manager != nil || a.dry || !wantsStore(c) {
		return nil
	}
	s, err := a.opened.open(a.life, c)
	if err != nil {
		return err
	}
	shared, mirror, err := a.wrap(c, s)
	if err != nil {
		return err
	}
	a.shared, a.mirror = shared, mirror
	a.answers = issuer.NewAnswers(shared, a.log)
	a.done.Go(func() { a.answers.Run(a.life) })
	a.manager = certs.NewManager(certs.ManagerOptions{
		Store: shared, Log: a.log, Node: a.node, Cache: c.Certificates.Cache, Every: c.Certificates.Check,
		RenewAt: c.Certificates.RenewAt, Skew: c.Certificates.ClockSkewAlarm, Wait: c.OnDemand.Wait,
	})
	if t := c.TLS.Tickets; t != nil {
		a.tickets = rotate.OpenTickets(rotate.TicketOptions{Store: shared, Log: a.log, Every: t.Rotate, Keep: t.Keep, Changed: a.setTicketKeys})
	}
	if e := c.TLS.ECH; e != nil {
		a.ech, err = rotate.OpenECH(rotate.ECHOptions{Store: shared, Log: a.log, PublicName: e.PublicName.Text, Changed: a.announceECH})
	}
	return err
}

// wrap gives certificates their part of the store: with a copy on this machine if its
// server is elsewhere, and encrypted if there is a key.
func (a *authorities) wrap(c *config.Config, s *store.Store) (shared storage.Store, mirror *storage.Mirrored, err error) {
	shared = kept{s, certsPrefix}
	if c.Store.LocalCopy {
		data, err := dataDir(c)
		if err != nil {
			return nil, nil, err
		}
		if mirror, err = storage.Mirror(shared, filepath.Join(data, "certificates"), storage.MirrorOptions{Log: a.log}); err != nil {
			return nil, nil, err
		}
		shared = mirror
	}
	shared, err = sealedBy(c, shared)
	return shared, mirror, err
}

// sealedBy is inner with what is written encrypted, if c has a key for that.
func sealedBy(c *config.Config, inner storage.Store) (storage.Store, error) {
	keys := c.Store.Keys
	if len(keys) == 0 {
		return storage.Plain(inner), nil // which says so where another node encrypts
	}
	secrets := make([][]byte, len(keys))
	for i := range keys {
		secrets[i] = keys[i].Bytes
	}
	return storage.Seal(inner, secrets...)
}

// options adds to those of a server what it shares with other nodes.
func (a *authorities) options(c *config.Config, o edge.Options) edge.Options {
	o.Streams.QUIC = a.quicSecrets()
	o.Streams.Allow0RTT = c.TLS.ZeroRTT
	if c.TLS.ECH != nil {
		o.ECHKeys = a.echKeys
	}
	return o
}

// serve tells who serves with what is kept here.
func (a *authorities) serve(s *edge.Server) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server = s
	s.SetTicketKeys(a.keys)
}

func (a *authorities) setTicketKeys(keys [][32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
	if a.server != nil {
		a.server.SetTicketKeys(keys)
	}
}

// quicSecrets are what nodes share for QUIC. Without the store they are made by chance.
// The key of stateless resets is this node's, the same after a restart: were it
// another's too, at another address, that one could be made to tell how connections of
// this one are ended (RFC 9000 §21.11).
func (a *authorities) quicSecrets() (s nethttp.Secrets) {
	if a.shared == nil {
		return s
	}
	ctx, cancel := context.WithTimeout(a.life, 2*time.Second)
	defer cancel()
	reset, token, err := rotate.QUICKeys(ctx, a.shared, a.log)
	if err != nil {
		a.log.Warn("QUIC's secrets are this process' own", "err", err)
		return s
	}
	own := hmac.New(sha256.New, reset[:])
	own.Write([]byte(a.node))
	own.Sum(s.StatelessReset[:0])
	s.Token = token
	return s
}

// echKeys are those that ClientHellos may be encrypted for now.
func (a *authorities) echKeys() []tls.EncryptedClientHelloKey {
	if a.ech == nil {
		return nil
	}
	return a.ech.Keys()
}

// apply has the plan of the last build come into force.
func (a *authorities) apply() {
	defer a.show()
	if a.manager == nil || a.plan == nil {
		return
	}
	a.manager.Apply(a.plan)
	a.setPublications(a.planECH)
	old, gone := a.guard, a.forget()
	a.guard, a.guardKey = a.plan.Guard, a.planGuard
	if old != nil && old != a.guard {
		gone = append(gone, old.Close)
	}
	if len(gone) > 0 {
		a.done.Go(func() { a.retire(gone) })
	}
}

// grace is how long what a reload replaced serves those who came to it before.
const grace = 30 * time.Second

func (a *authorities) retire(closers []func()) {
	select {
	case <-time.After(grace):
	case <-a.life.Done():
	}
	for _, f := range closers {
		f()
	}
}

// forget drops issuers and policies that the plan in force does not use, and returns how
// they are closed, which may take a while.
func (a *authorities) forget() (closers []func()) {
	maps.DeleteFunc(a.policies, func(key string, p *certs.Policy) bool {
		if a.inPlan[key] {
			return false
		}
		delete(a.solvers, p)
		return true
	})
	maps.DeleteFunc(a.issuers, func(key string, made builtIssuer) bool {
		if a.inPlan[key] {
			return false
		}
		closers = append(closers, func() { _ = made.issuer.Close() })
		return true
	})
	return closers
}

// yield breaks off orders and gives their locks back, so that other nodes go on with
// them at once. What is in memory is served until close.
func (a *authorities) yield() {
	if a.manager == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.manager.Close(ctx); err != nil {
		a.log.Warn("certificates", "err", err)
	}
}

// close ends all.
func (a *authorities) close() {
	a.files.Close()
	if a.internal != nil {
		a.internal.Close()
	}
	a.yield()
	a.end()
	if a.tickets != nil {
		a.tickets.Close()
	}
	if a.ech != nil {
		a.ech.Close()
	}
	if a.guard != nil {
		a.guard.Close()
	}
	a.done.Wait()
	for _, i := range a.issuers {
		_ = i.issuer.Close()
	}
	if a.mirror != nil {
		_ = a.mirror.Close()
	}
	if err := a.opened.close(); err != nil {
		a.log.Warn("store", "err", err)
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
	if a.shared != nil && c.Store.Pos.Line > 0 {
		ctx, cancel := context.WithTimeout(a.life, 10*time.Second)
		defer cancel()
		if err := certs.ShareRoot(ctx, a.shared, dir, c.CA.Name, a.log); err != nil {
			a.log.Warn("the internal CA is this node's own", "err", err)
		}
	}
	a.internal, err = certs.OpenInternal(dir, certs.InternalOptions{Name: c.CA.Name, Log: a.log})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		err = hinted{err, fmt.Sprintf("set data: (or WEIR_DATA_DIR) to a directory that user %d may write", os.Getuid())}
	}
	return a.internal, err
}
