package main

import (
	"fmt"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// caFlag finds the internal CA: of the configuration if there is one, else in the
// data directory, which is where `weir serve --tls` has it.
type caFlag struct {
	configFlag
}

func (f caFlag) root(a *app) (*certs.Internal, error) {
	c := new(config.Config)
	if path, err := f.path(); err == nil {
		if c, err = (configFlag{Config: path}).load(a); err != nil {
			return nil, err
		}
	}
	return newAuthorities(quiet()).openInternal(c)
}

type trustCmd struct {
	caFlag
	Print bool `help:"Print the path of the root certificate and change nothing."`
}

func (cmd *trustCmd) Run(a *app) error {
	ca, err := cmd.root(a)
	if err != nil {
		return err
	}
	defer ca.Close()
	if cmd.Print {
		fmt.Fprintln(a.stdout, ca.RootPath())
		return nil
	}
	if err := certs.Trust(ca.RootPath()); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "This machine now trusts weir's internal CA, for localhost and private names only.\n  %s\n", ca.RootPath())
	return nil
}

type untrustCmd struct{ caFlag }

func (cmd *untrustCmd) Run(a *app) error {
	ca, err := cmd.root(a)
	if err != nil {
		return err
	}
	defer ca.Close()
	if err := certs.Untrust(ca.RootPath()); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "This machine no longer trusts weir's internal CA.")
	return nil
}
