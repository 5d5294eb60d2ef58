package listen_test

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/listen"
)

// Not parallel: sd_notify is addressed by the environment.
func TestNotify_SpeaksToTheSocketOfSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = systemd.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	var n listen.Notify
	for _, c := range []struct {
		name string
		tell func() error
		want string
	}{
		{"Ready", func() error { return n.Ready("2 sites") }, `^READY=1\nSTATUS=2 sites$`},
		{"Ready without status", func() error { return n.Ready("") }, `^READY=1$`},
		{"Reloading", n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`},
		{"Status", func() error { return n.Status("a\nSTOPPING=1") }, `^STATUS=a STOPPING=1$`},
		{"Alive", n.Alive, `^WATCHDOG=1$`},
		{"Stopping", func() error { return n.Stopping("") }, `^STOPPING=1$`},
	} {
		if err := c.tell(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		b := make([]byte, 512)
		got, err := systemd.Read(b)
		if err != nil || !regexp.MustCompile(c.want).Match(b[:got]) {
			t.Errorf("%s sent %q, %v; want %s", c.name, b[:got], err, c.want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", path+".gone")
	if err := n.Ready(""); err == nil {
		t.Error("Ready to a socket that is gone = nil; want an error")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := n.Ready("x"); err != nil {
		t.Errorf("Ready without systemd = %v; want nil", err)
	}
}

func TestNotify_WatchdogIsFedTwiceAPeriod(t *testing.T) {
	var n listen.Notify
	for _, c := range []struct {
		usec string
		want time.Duration
	}{{"", 0}, {"30000000", 15 * time.Second}, {"x", 0}} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", "")
		if got := n.Watchdog(); got != c.want {
			t.Errorf("WATCHDOG_USEC=%q: Watchdog = %v; want %v", c.usec, got, c.want)
		}
	}
}
