package clients

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Chromium is a headless browser with a home of its own, which trusts one root
// beside the public ones. Use it from one goroutine.
type Chromium struct {
	program string
	home    string
	// QUIC makes the browser speak HTTP/3 alone, from the first request on.
	// Without it, it learns of HTTP/3 by Alt-Svc as usual.
	QUIC bool
	// Dark makes pages see prefers-color-scheme: dark.
	Dark bool
	// Width and Height of the window; 0 means 1200 by 900.
	Width, Height int
}

// NewChromium prepares a browser that trusts the certificate in the PEM file
// root, put into its certificate database as a user would put it there.
func NewChromium(t testing.TB, root string) *Chromium {
	t.Helper()
	c := &Chromium{program: Find(t, "chromium", "chromium-browser", "google-chrome"), home: t.TempDir()}
	certutil := Find(t, "certutil")
	database := filepath.Join(c.home, ".pki", "nssdb")
	if err := os.MkdirAll(database, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-t", "C,,", "-n", "root under test", "-i", root},
	} {
		if _, diag, err := run(t, nil, certutil, append([]string{"-d", "sql:" + database}, args...)...); err != nil {
			t.Fatalf("certutil %q: %v\n%s", args, err, diag)
		}
	}
	return c
}

// DOM loads page and returns its document after scripts have run.
func (c *Chromium) DOM(t testing.TB, page string) string {
	t.Helper()
	return c.load(t, page, "--dump-dom")
}

// Screenshot loads page and writes what it looks like to the PNG file.
func (c *Chromium) Screenshot(t testing.TB, page, file string) {
	t.Helper()
	c.load(t, page, "--screenshot="+file)
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Fatalf("chromium took no picture of %s: %v", page, err)
	}
}

// load runs the browser on page. A page that cannot be loaded is a failed test.
func (c *Chromium) load(t testing.TB, page, action string) string {
	t.Helper()
	out, diag, err := run(t, []string{"HOME=" + c.home}, c.program, append(c.flags(t, page), action, page)...)
	if err != nil || strings.Contains(diag, "Page load failed") {
		t.Fatalf("chromium %s: %v\n%s", page, err, diag)
	}
	return out
}

func (c *Chromium) flags(t testing.TB, page string) []string {
	t.Helper()
	width, height := c.Width, c.Height
	if width == 0 || height == 0 {
		width, height = 1200, 900
	}
	flags := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--no-first-run", "--no-default-browser-check", "--user-data-dir=" + filepath.Join(c.home, "profile"),
		"--window-size=" + strconv.Itoa(width) + "," + strconv.Itoa(height),
		// QUIC does not try ::1 and then 127.0.0.1 as TCP does.
		"--host-resolver-rules=MAP localhost 127.0.0.1",
	}
	if c.Dark {
		flags = append(flags, "--blink-settings=preferredColorScheme=0")
	}
	if c.QUIC {
		u, err := url.Parse(page)
		if err != nil || u.Port() == "" {
			t.Fatalf("QUIC wants a URL with a port, not %q (%v)", page, err)
		}
		flags = append(flags, "--enable-quic", "--origin-to-force-quic-on="+u.Host)
	}
	return flags
}
