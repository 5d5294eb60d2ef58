package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
)

// shelf is the store as commands see it, beside a running weir or without one.
type shelf struct {
	store  *store.Store  // nil: nothing was ever kept there
	certs  storage.Store // the part of certificates; nil if store is
	engine string        // "sqlite", "redis", "postgres"
	place  string        // where it is, without passwords
	c      *config.Config
}

// openShelf opens the store of c. A file that is not there is made only if that is
// wanted: commands that look, run by root, must not leave what weir cannot open.
func openShelf(c *config.Config, make bool) (*shelf, error) {
	s := &shelf{engine: c.Store.Engine(), c: c}
	var err error
	if s.place, err = placeOf(c); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.place); s.engine == "sqlite" && errors.Is(err, fs.ErrNotExist) {
		if !make {
			return s, nil
		}
		if err := beginStore(c, s.place); err != nil {
			return nil, err
		}
	}
	if s.store, err = openStore(c, quiet()); err != nil {
		return nil, err
	}
	if s.certs, err = sealedBy(c, kept{s.store, certsPrefix}); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// beginStore makes the file of a new store, for whom its directory belongs to. What SQLite
// puts beside it has the owner of the file.
func beginStore(c *config.Config, path string) error {
	made, err := openStore(c, quiet())
	if err != nil {
		return err
	}
	if err := made.Close(); err != nil {
		return err
	}
	return giveToOwner(path)
}

func (s *shelf) close() {
	if s.store != nil {
		_ = s.store.Close() // what was to be written has been
	}
}

// missing says that there is no store where the configuration has it.
func (s *shelf) missing() error {
	if s.store != nil {
		return nil
	}
	hint := s.elsewhere()
	if hint == "" {
		hint = "if a service has it elsewhere, say where: -c FILE with store: or data:, or WEIR_DATA_DIR"
	}
	return hinted{fmt.Errorf("there is no store yet at %s", s.place), hint}
}

// elsewhere says where the running weir has the store that is not here: a service
// manager gives it a directory that commands do not hear of. What is there is not opened
// on its word, which may be that of anybody who listens at its address.
func (s *shelf) elsewhere() string {
	var running storeJSON
	if s.store != nil || (adminFlag{}).live(s.c, "/store", &running) != nil || running.Place == s.place || running.Engine != "sqlite" {
		return ""
	}
	text := "the running weir has its store at " + running.Place
	if dir, name := filepath.Split(running.Place); name == storeFile {
		text += ": run this with WEIR_DATA_DIR=" + filepath.Clean(dir)
	}
	return oneLine(text)
}

// placeOf is where the store of c is, for people: without a password.
func placeOf(c *config.Config) (string, error) {
	if c.Store.Engine() == "sqlite" {
		if path := c.Store.Path(); path != "" {
			return filepath.Abs(path)
		}
		data, err := dataDir(c)
		if err != nil {
			return "", err
		}
		return filepath.Abs(filepath.Join(data, storeFile))
	}
	u, err := url.Parse(c.Store.URL)
	if err != nil {
		return "", errors.New("the URL of the store cannot be read") // and err would show it
	}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if name := u.User.Username(); name != "" {
		plain.User = url.User(name)
	}
	return plain.String(), nil
}

// patience bounds what a command does with the store, over all.
const patience = 2 * time.Minute

func shelfTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// stored opens the store of the configuration, which has to be there. The caller closes
// it.
func (f configFlag) stored(a *app) (*shelf, error) {
	c, err := f.load(a)
	if err != nil {
		return nil, err
	}
	s, err := openShelf(c, false)
	if err != nil {
		return nil, err
	}
	if err := s.missing(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
