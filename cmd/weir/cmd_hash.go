package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/weirproxy/weir/wasmhost/services"
)

// hashCmd is `weir hash`.
type hashCmd struct{}

// Help is what `weir hash --help` adds.
func (*hashCmd) Help() string {
	return `It asks for the password, twice, and shows neither; or reads one line from standard input where
that is no terminal. What it prints goes into the configuration, or where ${ADA_HASH} comes from.

  weir hash
  pass show ada | weir hash`
}

func (*hashCmd) Run(a *app) error {
	password, err := readPassword(a)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	hash, err := services.HashPassword(password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, hash)
	return err
}

// mostLine is how long a line with a password may be: longer than any password.
const mostLine = 4 << 10

// readPassword returns a password that is typed twice, or the first line of what is not
// typed.
func readPassword(a *app) ([]byte, error) {
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(a.stdin, mostLine)).ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return nil, errors.New("there is none")
		}
		return line, nil
	}
	var typed [2][]byte
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(a.stderr, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.stderr)
		if err != nil {
			return nil, err
		}
		typed[i] = b
	}
	switch {
	case len(typed[0]) == 0:
		return nil, errors.New("there is none")
	case !bytes.Equal(typed[0], typed[1]):
		return nil, errors.New("the two are not the same")
	}
	return typed[0], nil
}
