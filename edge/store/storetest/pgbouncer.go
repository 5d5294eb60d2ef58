//go:build unix

package storetest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Pool is a PgBouncer of a test's own that gives each transaction another session.
type Pool struct {
	URL string // like that of the server behind it
	*server
}

// StartPool starts a pool in front of p that ends with the test.
func StartPool(t testing.TB, p *Postgres) *Pool {
	t.Helper()
	path := find(t, "pgbouncer", "/usr/sbin/pgbouncer")
	dir, err := os.MkdirTemp("", "weirpool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	host, to, _ := net.SplitHostPort(p.Addr)
	config := fmt.Sprintf(`[databases]
weir = host=%s port=%s dbname=weir user=weir password=secret
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = plain
auth_file = %s
pool_mode = transaction
default_pool_size = 4
`, host, to, port, filepath.Join(dir, "users"))
	for name, text := range map[string]string{"users": `"weir" "secret"` + "\n", "ini": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = addr
	pool := &Pool{URL: u.String(), server: &server{
		t: t, quit: syscall.SIGTERM,
		command: func() *exec.Cmd {
			cmd := exec.Command(path, "-q", filepath.Join(dir, "ini"))
			cmd.SysProcAttr, cmd.Dir = as, dir
			return cmd
		},
		answers: func() error {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err
		},
	}}
	pool.Start()
	t.Cleanup(pool.Kill)
	return pool
}
