package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirproxy/weir/certs/storage"
)

type certExportCmd struct {
	configFlag
	Name  string `arg:"" help:"The name, as ls prints it."`
	Out   string `short:"o" placeholder:"DIR" help:"Directory for fullchain.pem and privkey.pem, which is made; - writes both to standard output. Default: a directory of the name."`
	Force bool   `short:"f" help:"Replace files that are there."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (cmd *certExportCmd) Run(a *app) error {
	s, err := cmd.stored(a)
	if err != nil {
		return err
	}
	defer s.close()
	cert, err := s.cert(normalName(cmd.Name))
	if err != nil {
		return err
	}
	if _, err := cert.TLS(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if cmd.Out == "-" {
		if isTerminal(a.stdout) {
			return hinted{errors.New("export: this would show a private key on a terminal"), "write it to a directory (--out DIR), or into a file or pipe"}
		}
		_, err := a.stdout.Write(append(cert.Chain, cert.Key...))
		return err
	}
	dir := cmp.Or(cmd.Out, strings.NewReplacer("*", "_wildcard", ":", "_").Replace(cert.Names[0]))
	if err := cmd.write(dir, cert); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, map[string]any{"name": cert.Names[0], "chain": filepath.Join(dir, chainFile), "key": filepath.Join(dir, keyFile), "not_after": cert.NotAfter})
	}
	fmt.Fprintf(a.stdout, "%s\n%s\n", filepath.Join(dir, chainFile), filepath.Join(dir, keyFile))
	return nil
}

// chainFile and keyFile are called as certbot calls them.
const (
	chainFile = "fullchain.pem"
	keyFile   = "privkey.pem"
)

// cert reads the certificate of a name.
func (s *shelf) cert(name string) (*storage.Cert, error) {
	ctx, cancel := shelfTime()
	defer cancel()
	value, err := s.certs.Get(ctx, storage.CertKey(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted{fmt.Errorf("the store has no certificate for %q", name), "what there is: weir cert ls"}
	}
	if err != nil {
		return nil, err
	}
	return storage.DecodeCert(value)
}

// write puts chain and key into dir: neither, if one must not be replaced.
func (cmd *certExportCmd) write(dir string, c *storage.Cert) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files := []struct {
		path string
		pem  []byte
	}{{filepath.Join(dir, keyFile), c.Key}, {filepath.Join(dir, chainFile), c.Chain}}
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil && !cmd.Force {
			return hinted{fmt.Errorf("export: %s is there already", f.path), "--force replaces it; --out DIR names another place"}
		}
	}
	for _, f := range files {
		if err := writeSecret(f.path, f.pem); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return nil
}

// writeSecret writes a file for its owner alone, whole or not at all, whatever was there.
func writeSecret(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".weir-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
