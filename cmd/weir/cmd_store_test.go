package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store/storetest"
)

// While the server of the store is away, the running weir is asked what it knows; what
// needs the store says that it is away, and passwords are never shown.
func TestStore_CommandsWhileItsServerIsAway(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	if answer, err := storetest.RedisCommand(redis.Addr, "CONFIG", "SET", "requirepass", "hush-hush"); err != nil {
		t.Fatal(answer, err)
	}
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	url := strings.Replace(redis.URL, "redis://", "redis://:hush-hush@", 1)
	n := startNode(t, ca, "127.0.0.1", plain, secure, url, demoConf)
	n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	place := redis.URL
	s := n.must(t, []string{"redis", "the store is fine", "the running weir uses it", "local copy is up to date"}, "store", "check")
	s.hides(t, "hush-hush")
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
	backup := filepath.Join(n.dir, "backup")
	n.must(t, []string{"exported from " + place}, "store", "export", "-o", backup).hides(t, "hush-hush")
	if out := n.output(); !strings.Contains(out, `"store":"redis","place":"`+place) || strings.Contains(out, "hush-hush") {
		t.Errorf("announced:\n%s", out)
	}

	redis.Pause() // metrics are asked for most when things hang
	began := time.Now()
	if n.metric(t, "weir_store_up"); time.Since(began) > time.Second {
		t.Errorf("metrics took %v while the store hangs", time.Since(began))
	}
	redis.Resume()
	redis.Kill()
	s = n.must(t, []string{"www.example.com ok", "this is what the running weir knows; the store:"}, "cert", "ls")
	s.hides(t, "hush-hush")
	if rows := decode[[]certRow](t, n.must(t, nil, "cert", "ls", "--json")); len(rows) != 1 || rows[0].State != "ok" {
		t.Errorf("ls --json: %+v", rows)
	}
	n.must(t, []string{"state ok", "the store:"}, "cert", "show", "www.example.com")
	for _, args := range [][]string{{"store", "check"}, {"store", "export", "-o", backup}, {"cert", "check"}, {"cert", "export", "www.example.com"}} {
		began := time.Now()
		s := n.command(t, args...)
		if s.code != 1 || s.err+s.out == "" || time.Since(began) > 30*time.Second {
			t.Errorf("%v: exit code %d after %v", args, s.code, time.Since(began))
		}
		s.hides(t, "hush-hush")
	}
	n.kill(t)
	n.ended(t)
	if s := n.command(t, "cert", "ls"); s.code != 1 {
		t.Errorf("ls without store and weir: %d", s.code)
	}
	redis.Start() // which forgets the password, and what the file has not
	n.cmd.Env = append(n.cmd.Env, "STORE="+redis.URL)
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
}

// hides says that a secret was shown.
func (s said) hides(t *testing.T, secret string) {
	t.Helper()
	if strings.Contains(s.out+s.err, secret) {
		t.Errorf("a secret is shown:\n%s%s", s.out, s.err)
	}
}

func TestStore_CommandsOverPostgres(t *testing.T) {
	t.Parallel()
	p := storetest.StartPostgres(t)
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, p.URL, demoConf)
	n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
	n.must(t, []string{"postgres", "the store is fine", "the running weir uses it"}, "store", "check")
	backup := filepath.Join(n.dir, "backup")
	n.must(t, []string{"entries exported"}, "store", "export", "-o", backup)
	n.must(t, []string{"0 entries written"}, "store", "import", backup)
}

// A store that root makes, by importing into none, belongs to whom its directory does.
func TestStore_MadeByRootBelongsToItsOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Chown(data, 4711, 4712)); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "weir.yaml", "listen: {https: \"127.0.0.1:1\"}\nstore: data/weir.db\nsites: {a.example.com: {respond: hi}}\n")
	c, err := config.Load(filepath.Join(dir, "weir.yaml"), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openShelf(c, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.store.Put(t.Context(), "a", nil, 0); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(data, "weir.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != 4711 || s.Gid != 4712 {
			t.Errorf("%s belongs to %d:%d", f, s.Uid, s.Gid)
		}
	}
}

// A service has its data where its manager says; commands of its owner do not hear of
// that, and say how to.
func TestStore_CommandsSayWhereTheRunningWeirHasItsStore(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, "", strings.Replace(demoConf, "store: ${STORE}\n", "", 1))
	n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	data := filepath.Join(n.dir, "data")
	n.cmd.Env = append(n.cmd.Env, "WEIR_DATA_DIR="+filepath.Join(n.dir, "home"))
	hint := "the running weir has its store at " + filepath.Join(data, "weir.db") + ": run this with WEIR_DATA_DIR=" + data
	n.must(t, []string{"www.example.com ok", hint}, "cert", "ls")
	n.must(t, []string{"state ok", hint}, "cert", "show", "www.example.com")
	for _, args := range [][]string{{"cert", "export", "www.example.com"}, {"cert", "check"}, {"store", "export"}, {"store", "check"}} {
		if s := n.command(t, args...); s.code != 1 || !strings.Contains(s.err, hint) {
			t.Errorf("%v: %d", args, s.code)
		}
	}
}
