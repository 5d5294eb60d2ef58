package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/storage"
)

type certImportCmd struct {
	configFlag
	Cert        string   `placeholder:"FILE" help:"The certificate, and behind it those who vouch for it (PEM)."`
	Key         string   `placeholder:"FILE" help:"Its key (PEM); default: in the same file."`
	Name        []string `short:"n" placeholder:"NAME" help:"The names to serve it for; default: all that are in it."`
	FromCertbot string   `placeholder:"DIR" help:"All certificates of certbot: /etc/letsencrypt, or its live directory."`
	FromCaddy   string   `placeholder:"DIR" help:"All certificates of Caddy: its data directory, ~/.local/share/caddy or /var/lib/caddy/.local/share/caddy."`
	Force       bool     `short:"f" help:"Also in place of a certificate that is good for longer."`
	DryRun      bool     `help:"Change nothing, say what would be done."`
	JSON        bool     `name:"json" help:"Print JSON."`
}

// Help is what `weir cert import --help` adds.
func (*certImportCmd) Help() string {
	return `A running weir serves what was imported at once. When its time comes, it is renewed by the authorities of the configuration.

  weir cert import --cert chain.pem --key key.pem
  weir cert import --from-certbot /etc/letsencrypt
  weir cert import --from-caddy /var/lib/caddy/.local/share/caddy`
}

// found is a certificate that may be imported.
type found struct {
	cert, key string // files
	from      string // what people call it
	skip      string // why it is not to be imported; "" if it is
}

// imported is what became of one name of a certificate, or of one that was left.
type imported struct {
	Name     string    `json:"name"`
	Done     bool      `json:"done"`
	NotAfter time.Time `json:"not_after,omitzero"`
	File     string    `json:"file"`
	Why      string    `json:"why,omitempty"` // why not, or what to know
}

func (cmd *certImportCmd) Run(a *app) error {
	list, err := cmd.sources()
	if err != nil {
		fmt.Fprintln(a.stderr, "weir cert import:", err)
		return exitError(exitUsage)
	}
	c, err := cmd.load(a)
	if err != nil {
		return err
	}
	all := []found{}
	for _, search := range list {
		some, err := search()
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		all = append(all, some...)
	}
	s, err := openShelf(c, !cmd.DryRun)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := shelfTime()
	defer cancel()
	results, failed := []imported{}, false
	for _, f := range all {
		some, err := cmd.take(ctx, s, f)
		if err != nil {
			return err
		}
		for _, r := range some {
			failed = failed || !r.Done && cmd.Cert != ""
		}
		results = append(results, some...)
	}
	if cmd.JSON {
		err = printJSON(a.stdout, results)
	} else {
		err = cmd.print(a, results)
	}
	if failed && err == nil {
		err = exitError(exitFailed)
	}
	return err
}

// sources are where to look.
func (cmd *certImportCmd) sources() (list []func() ([]found, error), err error) {
	if cmd.FromCertbot != "" {
		list = append(list, func() ([]found, error) { return certbotPairs(cmd.FromCertbot) })
	}
	if cmd.FromCaddy != "" {
		list = append(list, func() ([]found, error) { return caddyPairs(cmd.FromCaddy) })
	}
	if cmd.Cert != "" {
		list = append(list, func() ([]found, error) {
			return []found{{cert: cmd.Cert, key: cmp.Or(cmd.Key, cmd.Cert), from: cmd.Cert}}, nil
		})
	}
	switch {
	case len(list) == 0:
		return nil, errors.New("what? --cert FILE --key FILE, --from-certbot DIR or --from-caddy DIR")
	case cmd.Cert == "" && (cmd.Key != "" || len(cmd.Name) > 0):
		return nil, errors.New("--key and --name go with --cert")
	}
	return list, nil
}

// take imports one certificate for its names. The error is the store's.
func (cmd *certImportCmd) take(ctx context.Context, s *shelf, f found) ([]imported, error) {
	if f.skip != "" {
		return []imported{{Name: f.from, File: f.cert, Why: f.skip}}, nil
	}
	c, note, err := readImport(f.cert, f.key, time.Now())
	if err == nil && len(cmd.Name) > 0 {
		c.Names, err = chosenNames(c, cmd.Name)
	}
	if err != nil {
		return []imported{{Name: f.from, File: f.cert, Why: err.Error()}}, nil
	}
	var all []imported
	for _, name := range c.Names {
		r := imported{Name: name, NotAfter: c.NotAfter, File: f.cert, Why: note, Done: true}
		own := *c
		own.Names = []string{name}
		if err := own.Valid(); err != nil { // names may be anything
			r.Done, r.Why = false, err.Error()
		} else if !cmd.DryRun {
			kept, err := certs.Import(ctx, s.certs, &own, cmd.Force)
			if err != nil {
				return nil, err
			}
			if kept != nil {
				r.Done, r.Why = kept.NotAfter.Equal(c.NotAfter) && kept.Serial == c.Serial, "the store has one that lasts until "+kept.NotAfter.Local().Format(time.DateOnly)
				if r.Done {
					r.Why = "it was there already"
				}
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// readImport reads a certificate that others have made, and refuses one that no client
// would take. note says what to know about it.
func readImport(certFile, keyFile string, now time.Time) (c *storage.Cert, note string, err error) {
	pair, _, err := certs.ReadPair(certFile, keyFile)
	if err != nil {
		return nil, "", err
	}
	leaf := pair.Leaf
	switch names := namesOf(leaf); {
	case now.After(leaf.NotAfter):
		return nil, "", fmt.Errorf("it expired on %s", leaf.NotAfter.Local().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return nil, "", fmt.Errorf("it is not valid before %s; is this machine's clock right?", leaf.NotBefore.Local().Format(time.DateTime))
	case len(names) == 0:
		return nil, "", errors.New("it names no host (subjectAltName); clients ignore the common name")
	}
	chain, note, err := orderedChain(pair.Certificate)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, "", err
	}
	return &storage.Cert{
		Names: namesOf(leaf), Chain: chain, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		Obtained: now.UTC().Truncate(time.Second), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Serial: leaf.SerialNumber.Text(16), Node: hostname(),
	}, note, nil
}

func hostname() string {
	name, _ := os.Hostname()
	return name
}

// orderedChain is the chain in PEM form, each certificate behind the one it vouches for,
// and none that vouches for nothing. It begins with the leaf.
func orderedChain(ders [][]byte) (chain []byte, note string, err error) {
	var pool []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, "", err
		}
		pool = append(pool, c)
	}
	at, rest := pool[0], pool[1:]
	count := 0
	for at != nil {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: at.Raw})...)
		count++
		var next *x509.Certificate
		for i, c := range rest {
			if at.CheckSignatureFrom(c) == nil {
				next, rest = c, append(rest[:i:i], rest[i+1:]...)
				break
			}
		}
		at = next
	}
	switch {
	case len(rest) > 0 && count == 1:
		return nil, "", errors.New("no certificate of the file vouches for the first one")
	case len(rest) > 0:
		note = "certificates that vouch for nothing were left out"
	case count == 1 && pool[0].CheckSignatureFrom(pool[0]) != nil:
		note = "no issuer is in the file: clients may refuse it"
	}
	return chain, note, nil
}

// chosenNames are the names asked for, each of which c covers.
func chosenNames(c *storage.Cert, names []string) (chosen []string, err error) {
	for _, name := range names {
		one := *c
		if one.Names = []string{normalName(name)}; !covers(&one) {
			return nil, fmt.Errorf("it is not for %s, but for %s", name, strings.Join(c.Names, ", "))
		}
		chosen = append(chosen, one.Names[0])
	}
	return chosen, nil
}

func covers(c *storage.Cert) bool {
	_, err := c.TLS()
	return err == nil
}

func (cmd *certImportCmd) print(a *app, all []imported) error {
	t := new(table)
	t.row("NAME", "TAKEN", "UNTIL", "FROM", "WHY")
	done := 0
	for _, r := range all {
		taken := "no"
		if r.Done {
			taken = "yes"
			done++
		}
		t.row(r.Name, taken, dated(r.NotAfter, time.Now()), shortPath(r.File), r.Why)
	}
	if err := t.print(a.stdout, widthOf(a.stdout)); err != nil {
		return err
	}
	verb := "imported"
	if cmd.DryRun {
		verb = "would be imported"
	}
	_, err := fmt.Fprintf(a.stdout, "%s %s, %d left\n", count(done, "name"), verb, len(all)-done)
	return err
}

// shortPath is the end of a path that tells certificates apart.
func shortPath(path string) string {
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}
