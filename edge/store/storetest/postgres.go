//go:build unix

package storetest

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Postgres is a PostgreSQL server of a test's own, with a role and a database named weir.
type Postgres struct {
	URL  string // postgres://weir:secret@127.0.0.1:port/weir
	Addr string // 127.0.0.1:port
	dir  string
	bin  string
	*server
}

// StartPostgres starts a server that ends with the test. PostgreSQL does not run as
// root: root runs it as the user postgres, or nobody.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	postgres := find(t, "postgres", "/usr/lib/postgresql/*/bin/postgres")
	bin := filepath.Dir(postgres)
	dir, err := os.MkdirTemp("", "weirpg") // short: the path of a socket has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "weir", "--pwfile", secret,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	u := url.URL{Scheme: "postgres", User: url.UserPassword("weir", "secret"), Host: addr, Path: "/weir", RawQuery: "sslmode=disable"}
	p := &Postgres{URL: u.String(), Addr: addr, dir: dir, bin: bin, server: &server{
		t: t, quit: syscall.SIGINT, // fast shutdown: clients are sent away
		command: func() *exec.Cmd {
			cmd := exec.Command(postgres, "-D", data, "-p", port, "-h", "127.0.0.1", "-k", dir,
				"-c", "max_connections=200", "-c", "shared_buffers=32MB", "-c", "log_min_messages=fatal")
			cmd.SysProcAttr, cmd.Dir = as, dir
			return cmd
		},
	}}
	p.answers = func() error { return p.psql("postgres", "SELECT 1") }
	p.Start()
	t.Cleanup(func() { p.end(syscall.SIGQUIT) }) // which takes its children with it
	if err := p.psql("postgres", "CREATE DATABASE weir"); err != nil {
		t.Fatalf("create database: %v", err)
	}
	return p
}

// unprivileged gives dir to whom PostgreSQL is to run as, if that is not this user.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	t.Fatal("no user to run postgres as")
	return nil
}

// Exec runs SQL as the owner of the database, in a session of its own.
func (p *Postgres) Exec(sql string) {
	p.t.Helper()
	if err := p.psql("weir", sql); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

func (p *Postgres) psql(database, sql string) error {
	path := filepath.Join(p.bin, "psql")
	if _, err := os.Stat(path); err != nil {
		path = "psql"
	}
	host, port, _ := net.SplitHostPort(p.Addr)
	cmd := exec.Command(path, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "weir", "-d", database, "-c", sql)
	cmd.Env = append(os.Environ(), "PGPASSWORD=secret", "PGCONNECT_TIMEOUT=5")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return &exec.Error{Name: string(out), Err: err}
	}
	return nil
}
