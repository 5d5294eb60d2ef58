package vm_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// wasi is a guest that calls of WASI what a test wants.
type wasi struct {
	t *testing.T
	i *vm.Instance
}

// wasiTypes are the parameters of functions: i32, or I for i64.
var wasiTypes = map[string]string{
	"path_open": "iiiiiIIii", "fd_read": "iiii", "fd_write": "iiii", "fd_close": "i", "fd_readdir": "iiiIi",
	"path_create_directory": "iii", "path_remove_directory": "iii", "path_unlink_file": "iii",
	"path_symlink": "iiiii", "path_link": "iiiiiii", "path_rename": "iiiiii", "path_readlink": "iiiiii",
	"path_filestat_get": "iiiii", "path_filestat_set_times": "iiiiIIi", "fd_filestat_set_size": "iI",
	"fd_prestat_get": "ii", "fd_seek": "iIii", "fd_filestat_get": "ii", "fd_sync": "i", "fd_pwrite": "iiiIi",
	"fd_pread": "iiiIi", "environ_sizes_get": "ii", "environ_get": "ii", "args_sizes_get": "ii", "sock_accept": "iii",
}

func newWASI(t *testing.T, e *vm.Engine, c vm.Config) *wasi {
	t.Helper()
	m := Module{Pages: 1}
	for name, types := range wasiTypes {
		var params []wasm.ValueType
		var body Code
		for k, c := range types {
			params = append(params, map[rune]wasm.ValueType{'i': wasm.I32, 'I': wasm.I64}[c])
			body = append(body, LocalGet, k)
		}
		m.Imports = append(m.Imports, Import{Module: "wasi_snapshot_preview1", Name: name, Params: params, Results: I32})
		m.Funcs = append(m.Funcs, Func{Name: "do_" + name, Params: params, Results: I32, Body: append(body, Call, name)})
	}
	return &wasi{t, start(t, load(t, e, m.Bytes(), nothing()), c)}
}

// do calls a function. A string becomes two arguments: where it is, and its length.
func (w *wasi) do(name string, args ...any) (errno int) {
	w.t.Helper()
	at := uint32(4096)
	var list []uint64
	for _, a := range args {
		switch a := a.(type) {
		case int:
			list = append(list, uint64(a))
		case string:
			w.i.WriteString(at, a)
			list = append(list, uint64(at), uint64(len(a)))
			at += uint32(len(a))
		}
	}
	v, err := w.i.Call(w.i.Lookup("do_"+name), nil, list...)
	if err != nil {
		w.t.Fatalf("%s%v: %v", name, args, err)
	}
	return int(v)
}

// Flags of path_open.
const (
	create, directory, exclusive, truncate = 1, 2, 4, 8
	reading, writing                       = 1 << 1, 1 << 6
)

// open opens a path below the first mount.
func (w *wasi) open(path string, oflags, rights int) (fd, errno int) {
	w.t.Helper()
	errno = w.do("path_open", 3, 1, path, oflags, rights, rights, 0, 0)
	n, _ := w.i.Uint32(0)
	return int(n), errno
}

// content reads a file, or says which error that gives.
func (w *wasi) content(path string) (string, int) {
	w.t.Helper()
	fd, errno := w.open(path, 0, reading)
	if errno != 0 {
		return "", errno
	}
	defer w.do("fd_close", fd)
	w.i.PutUint32(16, 8192)
	w.i.PutUint32(20, 1024)
	if errno := w.do("fd_read", fd, 16, 1, 24); errno != 0 {
		return "", errno
	}
	n, _ := w.i.Uint32(24)
	s, _ := w.i.ReadString(8192, n)
	return s, 0
}

// write writes to what is open.
func (w *wasi) write(fd int, s string) (errno int) {
	w.t.Helper()
	w.i.WriteString(8192, s)
	w.i.PutUint32(16, 8192)
	w.i.PutUint32(20, uint32(len(s)))
	return w.do("fd_write", fd, 16, 1, 24)
}

// tree makes a directory with a secret beside it, and ways to the secret.
func tree(t *testing.T) (mount, secret string) {
	t.Helper()
	top := t.TempDir()
	mount, secret = filepath.Join(top, "mount"), filepath.Join(top, "secret")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(mount, "sub"), 0o755),
		os.WriteFile(secret, []byte("secret"), 0o644),
		os.WriteFile(filepath.Join(mount, "sub", "hello"), []byte("hello"), 0o644),
		os.Symlink("../secret", filepath.Join(mount, "relative")),
		os.Symlink(secret, filepath.Join(mount, "absolute")),
		os.Symlink("..", filepath.Join(mount, "up")),
		os.Symlink("sub/hello", filepath.Join(mount, "inside")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return mount, secret
}

// escapes are paths that lead out of a mount.
var escapes = []string{"relative", "absolute", "up/secret", "../secret", "sub/../../secret", "/../secret",
	"./../secret", "sub/../up/secret", "relative/", "up/", "up/mount/sub/hello"}

func TestSecurity_W1_GuestsDoNotLeaveTheirMounts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	mount, secret := tree(t)
	for _, write := range []bool{false, true} {
		w := newWASI(t, e, vm.Config{Files: []vm.Mount{{Guest: "/data", Host: mount, Write: write}}})
		for _, path := range escapes {
			for _, rights := range []int{reading, reading | writing} {
				for _, flags := range []int{0, create, truncate, directory} {
					if _, errno := w.open(path, flags, rights); errno == 0 {
						t.Errorf("opened %s with flags %d, rights %d", path, flags, rights)
					}
				}
			}
			if w.do("path_filestat_get", 3, 1, path, 0) == 0 {
				t.Errorf("looked at %s", path)
			}
			if w.do("path_create_directory", 3, path+"/new") == 0 {
				t.Errorf("made a directory in %s", path)
			}
		}
		for _, to := range []string{"up/taken", "../taken", "sub/../../taken", "up/mount/../taken"} {
			if w.do("path_rename", 3, "sub/hello", 3, to) == 0 {
				t.Errorf("moved a file to %s", to)
			}
			if w.do("path_rename", 3, to[:len(to)-5]+"secret", 3, "taken") == 0 {
				t.Errorf("took %s", to)
			}
		}
		if w.do("path_symlink", secret, 3, "link") == 0 || w.do("path_symlink", "sub", 3, "link") == 0 {
			t.Error("made a symbolic link")
		}
		if w.do("path_link", 3, 0, "sub/hello", 3, "link") == 0 {
			t.Error("made a link")
		}
		if w.do("path_unlink_file", 3, "up/secret") == 0 {
			t.Error("removed a file outside")
		}
		if s, errno := w.content("inside"); s != "hello" {
			t.Errorf("a link within the mount: %q, errno %d", s, errno)
		}
	}
	if b, err := os.ReadFile(secret); string(b) != "secret" {
		t.Errorf("the secret is %q, %v", b, err)
	}
	if list, _ := os.ReadDir(filepath.Dir(secret)); len(list) != 2 {
		t.Errorf("beside the mount: %v", list)
	}
}

func TestSecurity_W3_ReadOnlyMountsAreNotWritten(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	mount, _ := tree(t)
	w := newWASI(t, e, vm.Config{Files: []vm.Mount{{Guest: "/", Host: mount}}})
	for _, path := range []string{"sub/hello", "inside", "sub/hello/", "new"} {
		for _, flags := range []int{0, create, truncate, create | truncate, create | exclusive} {
			if fd, errno := w.open(path, flags, reading|writing); errno == 0 && w.write(fd, "x") == 0 {
				t.Errorf("wrote to %s, opened with flags %d", path, flags)
			}
			if fd, errno := w.open(path, flags, reading); errno == 0 {
				if w.write(fd, "x") == 0 {
					t.Errorf("wrote to %s, opened with flags %d for reading", path, flags)
				}
				if w.do("fd_filestat_set_size", fd, 0) == 0 {
					t.Errorf("cut %s, opened with flags %d", path, flags)
				}
			}
		}
	}
	for name, errno := range map[string]int{
		"mkdir":  w.do("path_create_directory", 3, "new"),
		"rmdir":  w.do("path_remove_directory", 3, "sub"),
		"unlink": w.do("path_unlink_file", 3, "sub/hello"),
		"rename": w.do("path_rename", 3, "sub/hello", 3, "sub/hallo"),
		"times":  w.do("path_filestat_set_times", 3, 1, "sub/hello", 0, 0, 0),
	} {
		if errno == 0 && name != "times" { // times: no flag, nothing is changed
			t.Errorf("%s worked", name)
		}
	}
	if s, _ := w.content("sub/hello"); s != "hello" {
		t.Errorf("sub/hello is %q", s)
	}
	if s, errno := w.content("sub/hello/"); errno == 0 {
		t.Errorf("a file with a slash behind it: %q", s)
	}
}

func TestSecurity_W4_GuestsSeeNothingByDefault(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	w := newWASI(t, e, vm.Config{})
	const badFile = 8
	for fd := 3; fd < 10; fd++ {
		if errno := w.do("fd_prestat_get", fd, 0); errno != badFile {
			t.Errorf("descriptor %d: errno %d", fd, errno)
		}
		if errno := w.do("path_open", fd, 1, "etc/passwd", 0, reading, reading, 0, 0); errno == 0 {
			t.Errorf("opened a file at %d", fd)
		}
		if errno := w.do("sock_accept", fd, 0, 0); errno == 0 {
			t.Errorf("a socket at %d", fd)
		}
	}
	for _, name := range []string{"environ_sizes_get", "args_sizes_get"} {
		if w.do(name, 0, 4); func() bool { n, _ := w.i.Uint32(0); return n != 0 }() {
			t.Errorf("%s: there are some", name)
		}
	}
}

func TestFiles_AreReadAndWritten(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	mount, _ := tree(t)
	w := newWASI(t, e, vm.Config{Files: []vm.Mount{{Guest: "/data", Host: mount, Write: true}}})
	if w.do("path_create_directory", 3, "new") != 0 {
		t.Error("mkdir")
	}
	fd, errno := w.open("new/file", create, reading|writing)
	if errno != 0 || w.write(fd, "hello, ") != 0 || w.write(fd, "world") != 0 || w.do("fd_sync", fd) != 0 {
		t.Fatalf("write: errno %d", errno)
	}
	if w.do("fd_filestat_set_size", fd, 8) != 0 || w.do("fd_close", fd) != 0 {
		t.Error("cut, close")
	}
	if s, errno := w.content("new/file"); s != "hello, w" {
		t.Errorf("read %q, errno %d", s, errno)
	}
	if w.do("path_rename", 3, "new/file", 3, "moved") != 0 {
		t.Error("rename")
	}
	if b, err := os.ReadFile(filepath.Join(mount, "moved")); string(b) != "hello, w" {
		t.Errorf("moved: %q, %v", b, err)
	}
	if w.do("path_remove_directory", 3, "moved") == 0 || w.do("path_unlink_file", 3, "new") == 0 {
		t.Error("a file is no directory, nor a directory a file")
	}
	if w.do("path_unlink_file", 3, "moved") != 0 || w.do("path_remove_directory", 3, "new") != 0 {
		t.Error("remove")
	}
	fd, errno = w.open(".", directory, reading)
	if errno != 0 {
		t.Fatalf("open the mount: errno %d", errno)
	}
	for range 2 { // and again from the start
		if w.do("fd_readdir", fd, 8192, 4096, 0, 0) != 0 {
			t.Fatal("readdir")
		}
		if names := w.names(); !names["sub"] || !names["inside"] || names["new"] || names["secret"] {
			t.Errorf("names %v", names)
		}
	}
	if w.do("path_filestat_get", 3, 1, "sub/hello", 0) != 0 {
		t.Error("stat")
	}
	if size, _ := w.i.Uint32(32); size != 5 {
		t.Errorf("size %d", size)
	}
}

// names reads what fd_readdir has written.
func (w *wasi) names() map[string]bool {
	n, _ := w.i.Uint32(0)
	b, _ := w.i.Read(8192, n)
	names := map[string]bool{}
	for len(b) >= 24 {
		k := int(binary.LittleEndian.Uint32(b[16:]))
		if len(b) < 24+k {
			break
		}
		names[string(b[24:24+k])] = true
		b = b[24+k:]
	}
	return names
}

// The files that a process may have open are those of its connections, too.
func TestSecurity_W7_OpenFilesAreBounded(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	mount, _ := tree(t)
	w := newWASI(t, e, vm.Config{Files: []vm.Mount{{Guest: "/data", Host: mount}}})
	n, last := 0, 0
	for ; n < 10_000; n++ {
		fd, errno := w.open("sub/hello", 0, reading)
		if errno != 0 {
			break
		}
		last = fd
	}
	if n == 0 || n > 1000 {
		t.Fatalf("opened %d files at once", n)
	}
	if w.do("fd_close", last) != 0 {
		t.Fatal("close")
	}
	if s, errno := w.content("sub/hello"); s != "hello" {
		t.Errorf("read %q after one was closed, errno %d", s, errno)
	}
}
