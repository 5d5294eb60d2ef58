package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// configFlag is how commands name the configuration.
type configFlag struct {
	Config string `short:"c" placeholder:"FILE" env:"WEIR_CONFIG" help:"Configuration file; - reads standard input."`
}

// path returns the file to read: the one named, or the first that exists of the
// usual places.
func (f configFlag) path() (string, error) {
	if f.Config != "" {
		return f.Config, nil
	}
	places := []string{"weir.yaml"}
	if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(dir, "weir", "weir.yaml"))
	}
	places = append(places, "/etc/weir/weir.yaml")
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("no configuration found: looked for %s; name one with -c, or try: weir serve", strings.Join(places, ", "))
}

// stdinName names standard input as a configuration.
const stdinName = "-"

// loader returns the file that is meant and what reads it, again and again. Of
// standard input that is what it held at first.
func (f configFlag) loader(stdin io.Reader) (path string, load func() (*config.Config, error), err error) {
	if path, err = f.path(); err != nil {
		return "", nil, err
	}
	if path != stdinName {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return "", nil, fmt.Errorf("%s is a directory; the file in it is to be named: %s", path, filepath.Join(path, "weir.yaml"))
		}
		return path, func() (*config.Config, error) { return config.Load(path, os.LookupEnv) }, nil
	}
	src, err := io.ReadAll(io.LimitReader(stdin, maxStdin))
	if err != nil {
		return "", nil, fmt.Errorf("read configuration from standard input: %w", err)
	}
	return path, func() (*config.Config, error) {
		return config.Parse(stdinName, src, config.Options{Dir: ".", Env: os.LookupEnv, ReadFile: os.ReadFile})
	}, nil
}

// maxStdin is more than what the configuration may have, so that too much is told.
const maxStdin = 64 << 20

func (f configFlag) load(a *app) (*config.Config, error) {
	_, load, err := f.loader(a.stdin)
	if err != nil {
		return nil, err
	}
	return load()
}

// dataDir returns where weir keeps what it must not lose: what the configuration
// says, then what the service manager says, then the user's data directory.
func dataDir(c *config.Config) (string, error) {
	if c.Data != "" {
		return c.Data, nil
	}
	for _, name := range []string{"WEIR_DATA_DIR", "STATE_DIRECTORY"} {
		if dir := os.Getenv(name); dir != "" {
			return dir, nil
		}
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "weir"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a data directory: %w; set data: in the configuration, or WEIR_DATA_DIR", err)
	}
	return filepath.Join(home, ".local", "share", "weir"), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
