//go:build unix

package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis is a redis-server of a test's own. It keeps an append-only file, flushed with
// every write, so that a restart loses nothing.
type Redis struct {
	URL  string // redis://127.0.0.1:port
	Addr string // 127.0.0.1:port
	*server
}

// StartRedis starts a server that ends with the test.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	path := find(t, "redis-server")
	dir := t.TempDir()
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	all := append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "always", "--unixsocket", filepath.Join(dir, "s"), "--daemonize", "no",
		"--enable-debug-command", "local",
	}, args...)
	r := &Redis{URL: "redis://" + addr, Addr: addr, server: &server{
		t: t, quit: syscall.SIGTERM,
		command: func() *exec.Cmd { return exec.Command(path, all...) },
		answers: func() error { return pingRedis(addr) },
	}}
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

// FreePort returns the number of a port of the loopback interface that nobody listens at.
func FreePort(t testing.TB) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddress(t))
	return port
}

// freeAddress returns an address of the loopback interface that nobody listens at. Somebody
// else may take it before the server does: then that one fails to start.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func pingRedis(addr string) error {
	answer, err := RedisCommand(addr, "PING")
	if err == nil && answer != "+PONG" {
		err = errors.New(answer)
	}
	return err
}

// RedisCommand sends one command and returns the first line of the answer.
func RedisCommand(addr string, words ...string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}
