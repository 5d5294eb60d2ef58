//go:build unix

package static

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// outside returns a root with links of all sorts, next to files that must never be seen.
func outside(t *testing.T) string {
	t.Helper()
	dir := makeTree(t, map[string]string{
		"secret": "SECRET", "secrets/index.html": "SECRET", "root/a": "A", "root/d/index.html": "D", "root/d/x": "X", "root/e/": "",
	})
	root := filepath.Join(dir, "root")
	for link, to := range map[string]string{
		"in": "a", "in-dir": "d", "in-up": "e/../a", "e/up": "../a",
		"out": "../secret", "out-dir": "../secrets", "out-abs": filepath.Join(dir, "secret"), "abs-in": filepath.Join(root, "a"), "e/out": "../../secret",
		"loop": "loop", "dangling": "nothing", "etc": "/etc", "out-and-in": "../root/a", "proc": "/proc/self/root",
	} {
		check(t, os.Symlink(to, filepath.Join(root, link)))
	}
	return root
}

// TestSecurity_W1_SymlinksStayInside: file access never follows a link out of the root.
func TestSecurity_W1_SymlinksStayInside(t *testing.T) {
	t.Parallel()
	root := outside(t)
	inside := serve(t, Options{Root: root, Browse: true})
	deny := serve(t, Options{Root: root, Browse: true, Symlinks: "deny"})
	for _, c := range []struct{ target, inside, deny string }{
		{"/a", "200 A", "200 A"},
		{"/d/x", "200 X", "200 X"},
		{"/in", "200 A", "404 "},
		{"/in-up", "200 A", "404 "},
		{"/in-dir", "308 ", "404 "},
		{"/in-dir/", "200 D", "404 "},
		{"/in-dir/x", "200 X", "404 "},
		{"/e/up", "200 A", "404 "},
		{"/out", "404 ", "404 "},
		{"/out-dir", "404 ", "404 "},
		{"/out-dir/", "404 ", "404 "},
		{"/out-dir/index.html", "404 ", "404 "},
		{"/out-abs", "404 ", "404 "},
		{"/abs-in", "404 ", "404 "}, // an absolute link leaves, even if it comes back
		{"/out-and-in", "404 ", "404 "},
		{"/e/out", "404 ", "404 "},
		{"/loop", "404 ", "404 "},
		{"/dangling", "404 ", "404 "},
		{"/etc/passwd", "404 ", "404 "},
		{"/etc/", "404 ", "404 "},
		{"/proc/etc/passwd", "404 ", "404 "},
	} {
		if got := brief(get(t, inside, c.target)); got != c.inside {
			t.Errorf("inside, %s: got %q, want %q", c.target, got, c.inside)
		}
		if got := brief(get(t, deny, c.target)); got != c.deny {
			t.Errorf("deny, %s: got %q, want %q", c.target, got, c.deny)
		}
	}
	for h, want := range map[*Handler]string{inside: "d/ e/ in-dir/ a in in-up", deny: "d/ e/ a"} {
		var names []string
		for line := range strings.Lines(string(get(t, h, "/").Body)) {
			names = append(names, strings.Fields(line)[3])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("listing: got %q, want %q", got, want)
		}
	}
}

// TestSecurity_W1_SiblingsStayInside: a precompressed sibling is a way in as well.
func TestSecurity_W1_SiblingsStayInside(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{"secret": "S", "root/a.js": "plain content"})
	check(t, os.Symlink("../secret", filepath.Join(dir, "root/a.js.gz")))
	check(t, os.Symlink("../secret", filepath.Join(dir, "root/index.html")))
	h := serve(t, Options{Root: filepath.Join(dir, "root")})
	if got := get(t, h, "/a.js", "accept-encoding", "gzip"); brief(got) != "200 plain content" {
		t.Errorf("got %s", brief(got))
	}
	if got := get(t, h, "/"); got.Status != 404 {
		t.Errorf("index that links out: got %s, want 404", brief(got))
	}
}

// TestSecurity_P6_OneReadingOfPaths: whatever could be read in two ways never
// reaches a file, however it is written.
func TestSecurity_P6_OneReadingOfPaths(t *testing.T) {
	t.Parallel()
	root := outside(t)
	check(t, os.Mkdir(filepath.Join(root, ".git"), 0o755))
	check(t, os.WriteFile(filepath.Join(root, ".git/config"), []byte("SECRET"), 0o644))
	h := serve(t, Options{Root: root, Browse: true, Dotfiles: false, Hide: []string{"/d"}})
	for _, target := range []string{
		"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/%2e%2e%2fsecret", "/a/../../secret", "/..%5csecret", "/..\\secret", "/%2e%2e%5csecret",
		"/%252e%252e/secret", "/..%252fsecret", "/..;/secret", "/a%00", "/a%00.html", "/%00", "/e/..%2f..%2fsecret", "/%c0%ae%c0%ae/secret", "/%uff0e/secret",
		"/.git/config", "/%2egit/config", "/%2Egit/config", "/e/../.git/config", "/.git%2fconfig", "//.git/config", "/./.git/config", "/.%67it/config",
		"/d/x", "/%64/x", "/D/x", "/e/../d/x", "/e/..%2fd/x", "//d//x", "/d%2fx", "/in-dir/../d/x",
	} {
		r, err := request(target)
		if err != nil {
			continue // refused before any handler: 400
		}
		got := exchangetest.Do(t, h, r)
		if got.Status != 404 && got.Status != 400 || len(got.Body) > 0 {
			t.Errorf("%s: got %s, want 400 or 404", target, brief(got))
		}
	}
	for _, path := range []string{"", "*", "a", "/../secret", "/e/../../secret", "/a\x00", "/.", "/..", "//a", "/e//up", "\x00"} {
		r := exchangetest.NewRequest("GET", "/")
		r.Path = path // by a filter that does not know better
		if got := exchangetest.Do(t, h, r); got.Status != 404 && got.Status != 400 {
			t.Errorf("path %q: got %s, want 400 or 404", path, brief(got))
		}
	}
}

func request(target string) (r *exchange.Request, err error) {
	r = exchangetest.NewRequest("GET", "/")
	return r, r.SetTarget(target)
}

func TestJail_SpecialFilesDoNotExist(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a": "A"})
	check(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644))
	check(t, syscall.Mkfifo(filepath.Join(root, "a.gz"), 0o644))
	socket, err := net.Listen("unix", filepath.Join(root, "socket"))
	check(t, err)
	defer socket.Close()
	h := serve(t, Options{Root: root, Browse: true})
	for target, want := range map[string]string{"/fifo": "404 ", "/socket": "404 ", "/a": "200 A", "/a.gz": "404 "} {
		if got := brief(get(t, h, target, "accept-encoding", "gzip")); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	if list := string(get(t, h, "/").Body); strings.Contains(list, "fifo") || strings.Contains(list, "socket") {
		t.Errorf("listing shows what cannot be had:\n%s", list)
	}
}

func TestJail_UnreadableIsForbidden(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	root := makeTree(t, map[string]string{"a": "A"})
	check(t, os.Chmod(filepath.Join(root, "a"), 0))
	if got := get(t, serve(t, Options{Root: root}), "/a"); got.Status != 403 {
		t.Errorf("got %d, want 403", got.Status)
	}
}

// asNobody runs the calling test once more as a user whom permissions bind, since
// root reads everything.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-nobody")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o777))
	self, err := os.Executable()
	check(t, err)
	program, err := os.ReadFile(self)
	check(t, err)
	copied := filepath.Join(dir, "static.test")
	check(t, os.WriteFile(copied, program, 0o755))
	cmd := exec.Command(copied, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func TestJail_RootIsSwitched(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{"1/a": "one", "1/gone": "x", "2/a": "two", "2/new": "y"})
	current := filepath.Join(dir, "current")
	check(t, os.Symlink("1", current))
	h := serve(t, Options{Root: current, MaxAgeCheck: -1})
	if got := brief(get(t, h, "/a")); got != "200 one" {
		t.Errorf("before: got %q", got)
	}
	get(t, h, "/gone")
	check(t, os.Symlink("2", current+".new"))
	check(t, os.Rename(current+".new", current))
	for target, want := range map[string]string{"/a": "200 two", "/gone": "404 ", "/new": "200 y"} {
		if got := brief(get(t, h, target)); got != want {
			t.Errorf("after, %s: got %q, want %q", target, got, want)
		}
	}
	check(t, os.Remove(current))
	if got := brief(get(t, h, "/a")); got != "200 two" {
		t.Errorf("while the link is away: got %q, want what was there", got)
	}
	if got := get(t, h, "/2nd"); got.Status != 503 || !strings.Contains(fmt.Sprint(got.Err), "open root") {
		t.Errorf("while the link is away, unknown: got %d, %v, want 503 and that the root is gone", got.Status, got.Err)
	}
}

func TestNew_HoldsNoDescriptor(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("no /proc here")
	}
	dir := makeTree(t, map[string]string{"a": "A"})
	const roots = 1000
	cache := NewCache(CacheOptions{})
	for range roots {
		if got := get(t, serve(t, Options{Root: dir, Cache: cache}), "/a"); got.Status != 200 {
			t.Fatalf("got %d, want 200", got.Status)
		}
	}
	open := 0
	fds, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == dir {
			open++
		}
	}
	if open != 0 {
		t.Errorf("%d handlers hold %d descriptors of their root, want 0", roots, open)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for err, want := range map[syscall.Errno]int{
		syscall.ENOENT: 404, syscall.ENOTDIR: 404, syscall.ELOOP: 404, syscall.ENAMETOOLONG: 404, syscall.EACCES: 403,
		syscall.EMFILE: 503, syscall.EIO: 0, syscall.ESTALE: 0, syscall.ETIMEDOUT: 0, syscall.ENOTCONN: 0, syscall.EHOSTDOWN: 0,
	} {
		got := classify(&os.PathError{Op: "statat", Path: "a", Err: err})
		e, ok := got.(*exchange.Error)
		if !ok || e.Status != want || passing(got) != (want == 0 || want == 503) {
			t.Errorf("%v: got %v, passing %v, want status %d", err, got, passing(got), want)
		}
	}
}
