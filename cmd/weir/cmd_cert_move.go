package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// certbotPairs finds what certbot has: live/NAME/fullchain.pem and privkey.pem.
func certbotPairs(dir string) (all []found, err error) {
	if info, err := os.Stat(filepath.Join(dir, "live")); err == nil && info.IsDir() {
		dir = filepath.Join(dir, "live")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, unreadable(err)
	}
	for _, e := range entries {
		if !e.IsDir() && e.Type()&fs.ModeSymlink == 0 {
			continue // its README
		}
		f := found{cert: filepath.Join(dir, e.Name(), chainFile), key: filepath.Join(dir, e.Name(), keyFile), from: e.Name()}
		if _, err := os.Stat(f.cert); errors.Is(err, fs.ErrNotExist) {
			f.skip, f.cert = "there is no "+chainFile+" in "+e.Name(), ""
		}
		all = append(all, f)
	}
	if !somewhere(all) {
		return nil, fmt.Errorf("%s: no certificates of certbot are below it (live/NAME/%s)", dir, chainFile)
	}
	return all, nil
}

// caddyPairs finds what Caddy, and whatever else is made of certmagic, has:
// certificates/ISSUER/NAME/NAME.crt and .key.
func caddyPairs(dir string) (all []found, err error) {
	for _, below := range []string{"caddy/certificates", "certificates"} {
		if info, err := os.Stat(filepath.Join(dir, below)); err == nil && info.IsDir() {
			dir = filepath.Join(dir, below)
			break
		}
	}
	issuers, err := os.ReadDir(dir)
	if err != nil {
		return nil, unreadable(err)
	}
	for _, issuer := range issuers {
		names, err := os.ReadDir(filepath.Join(dir, issuer.Name()))
		if err != nil {
			continue // a file, of somebody else
		}
		for _, name := range names {
			f := found{from: strings.Replace(name.Name(), "wildcard_", "*", 1)}
			base := filepath.Join(dir, issuer.Name(), name.Name(), name.Name())
			f.cert, f.key = base+".crt", base+".key"
			_, err := os.Stat(f.cert)
			switch {
			case !name.IsDir():
				continue
			case errors.Is(err, fs.ErrNotExist):
				f.skip, f.cert = "there is no "+name.Name()+".crt in "+filepath.Join(issuer.Name(), name.Name()), ""
			case issuer.Name() == "local":
				f.skip = "Caddy's own CA signed it; weir has one of its own"
			case strings.Contains(issuer.Name(), "staging"):
				f.skip = "of a staging authority, which no client trusts"
			}
			all = append(all, f)
		}
	}
	if !somewhere(all) {
		return nil, fmt.Errorf("%s: no certificates of Caddy are below it (certificates/ISSUER/NAME/NAME.crt)", dir)
	}
	return all, nil
}

// somewhere tells whether there is a certificate among what was found: else it is some
// other directory.
func somewhere(all []found) bool {
	return slices.ContainsFunc(all, func(f found) bool { return f.cert != "" })
}

// unreadable says who may read what others keep.
func unreadable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return hinted{err, "run this as root, with the configuration of the service: sudo weir cert import -c /etc/weir/weir.yaml …"}
	}
	return err
}
