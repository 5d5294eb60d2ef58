package certs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	watchEvery = 5 * time.Second
	// settled is the age from which a file's time and size prove that it has not
	// changed since it was read; clocks of file systems tick as slowly as this.
	settled = 2 * time.Second
)

// FilesOptions are the settings of Files. The zero value is usable.
type FilesOptions struct {
	Log   *slog.Logger  // hears of reloads; nil is silent
	Every time.Duration // how often files are looked at; 0 means 5 s, negative never
}

// Files watches certificate files for the life of the process. It asks for their
// time and size every few seconds, instead of having the kernel tell: that works
// on network file systems, and through the symlinks that Kubernetes and certbot
// replace. Its methods are safe for concurrent use.
type Files struct {
	log    *slog.Logger
	mu     sync.Mutex // guards pairs and uses of each
	pairs  map[[2]string]*Pair
	stop   chan struct{}
	closed sync.Once
	done   sync.WaitGroup
}

// NewFiles starts the watch. Close ends it.
func NewFiles(o FilesOptions) *Files {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Every == 0 {
		o.Every = watchEvery
	}
	f := &Files{log: o.Log, pairs: make(map[[2]string]*Pair), stop: make(chan struct{})}
	if o.Every > 0 {
		f.done.Go(func() { f.watch(o.Every) })
	}
	return f
}

// Close ends the watch. Pairs go on serving what they have.
func (f *Files) Close() {
	f.closed.Do(func() { close(f.stop) })
	f.done.Wait()
}

// LoadPair reads a certificate chain and its key, in PEM form, which may be one
// file. The same two paths give the same Pair, so that what did not change over a
// reload of the configuration is not read again; what has changed is, and is an
// error if it cannot be used. Each LoadPair is owed a Close of the Pair.
func (f *Files) LoadPair(cert, key string) (*Pair, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := [2]string{cert, key}
	p := f.pairs[id]
	if p == nil {
		p = &Pair{files: f, id: id}
		if err := p.load(); err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		f.pairs[id] = p
	} else if _, err := p.Reload(); err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	p.uses++
	return p, nil
}

func (f *Files) watch(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		for _, p := range f.all() {
			f.look(p)
		}
	}
}

func (f *Files) all() []*Pair {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*Pair, 0, len(f.pairs))
	for _, p := range f.pairs {
		all = append(all, p)
	}
	return all
}

func (f *Files) look(p *Pair) {
	before := p.Err()
	changed, err := p.Reload()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.log.Error("certificate not reloaded", "file", p.id[0], "err", err, "hint", "the old one stays in use")
	case changed:
		f.log.Info("certificate reloaded", "file", p.id[0], "until", p.Certificate().Leaf.NotAfter)
		for _, w := range p.Warnings() {
			f.log.Warn("certificate warning", "warning", w)
		}
	}
}

// Pair is a certificate from files, always the newest that could be used. Its
// methods are safe for concurrent use.
type Pair struct {
	files *Files
	id    [2]string // paths of certificate and key
	uses  int       // guarded by files.mu
	now   atomic.Pointer[loaded]

	mu    sync.Mutex // guards what follows, and orders reloads
	seen  [2]os.FileInfo
	dirty bool // seen does not prove that nothing has changed
	err   error
}

// Certificate returns the certificate to serve, with its Leaf parsed. It is
// shared: do not change it.
func (p *Pair) Certificate() *tls.Certificate { return p.now.Load().cert }

// GetCertificate is Certificate in the form of tls.Config.
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.now.Load().cert, nil
}

// Warnings says what clients may dislike about the certificate in use.
func (p *Pair) Warnings() []string { return p.now.Load().warnings }

// Err returns why the files as they are now could not be taken over; nil if the
// certificate in use is the one in the files.
func (p *Pair) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Close ends one use of the pair.
func (p *Pair) Close() {
	p.files.mu.Lock()
	defer p.files.mu.Unlock()
	if p.uses--; p.uses == 0 {
		delete(p.files.pairs, p.id)
	}
}

// Reload takes over the files if they have changed, and tells whether it did. On
// an error the old certificate stays, and the next Reload tries again: the two
// files are seldom replaced in one instant.
func (p *Pair) Reload() (changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && !p.dirty && p.unchanged() {
		return false, nil
	}
	old := p.now.Load()
	p.err = p.read(old)
	return p.now.Load() != old, p.err
}

func (p *Pair) load() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read(nil)
}

func (p *Pair) unchanged() bool {
	for i, path := range p.id {
		info, err := os.Stat(path)
		if err != nil || !os.SameFile(info, p.seen[i]) || info.Size() != p.seen[i].Size() || !info.ModTime().Equal(p.seen[i].ModTime()) {
			return false
		}
	}
	return true
}

// read notes the state of the files before it reads them, so that a change in
// between is seen the next time.
func (p *Pair) read(old *loaded) error {
	p.dirty = false
	for i, path := range p.id {
		info, err := os.Stat(path)
		if err != nil {
			return fileHint(err)
		}
		p.seen[i] = info
		p.dirty = p.dirty || time.Since(info.ModTime()) < settled
	}
	l, err := readPair(p.id[0], p.id[1])
	if err != nil {
		return err
	}
	if old != nil {
		if same(old.cert, l.cert) {
			return nil
		}
		if err := outOfDate(l.cert.Leaf); err != nil && outOfDate(old.cert.Leaf) == nil {
			return fmt.Errorf("%s: %w", p.id[0], err)
		}
	}
	p.now.Store(l)
	return nil
}

// same compares chains; their keys then are the same too, as each fits its leaf.
func same(a, b *tls.Certificate) bool {
	if len(a.Certificate) != len(b.Certificate) {
		return false
	}
	for i := range a.Certificate {
		if !bytes.Equal(a.Certificate[i], b.Certificate[i]) {
			return false
		}
	}
	return true
}
