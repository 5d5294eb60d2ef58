package vm

import (
	"os"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// rootFile is an open file or directory of a mount. It does what the engine's adapter
// does, for fuel, and what that leaves out.
type rootFile struct {
	sys.File
	fs   *rootFS
	f    *os.File
	name string
	flag sys.Oflag
}

// IsAppend implements sys.File.
func (f *rootFile) IsAppend() bool { return f.flag&sys.O_APPEND != 0 }

// paid makes the guest pay for n bytes.
func (f *rootFile) paid(n int, e sys.Errno) (int, sys.Errno) {
	f.fs.i.Charge(int64(10*hostCall + n/4))
	return n, e
}

// Read implements sys.File.
func (f *rootFile) Read(b []byte) (int, sys.Errno) { return f.paid(f.File.Read(b)) }

// Pread implements sys.File.
func (f *rootFile) Pread(b []byte, at int64) (int, sys.Errno) { return f.paid(f.File.Pread(b, at)) }

// Write implements sys.File.
func (f *rootFile) Write(b []byte) (int, sys.Errno) { return f.paid(f.File.Write(b)) }

// Pwrite implements sys.File.
func (f *rootFile) Pwrite(b []byte, at int64) (int, sys.Errno) { return f.paid(f.File.Pwrite(b, at)) }

// Readdir implements sys.File.
func (f *rootFile) Readdir(n int) ([]sys.Dirent, sys.Errno) {
	list, e := f.File.Readdir(n)
	f.fs.i.Charge(int64((10 + len(list)) * hostCall))
	return list, e
}

// Truncate implements sys.File.
func (f *rootFile) Truncate(size int64) sys.Errno { return errno(f.f.Truncate(size)) }

// Sync implements sys.File.
func (f *rootFile) Sync() sys.Errno { return errno(f.f.Sync()) }

// Datasync implements sys.File.
func (f *rootFile) Datasync() sys.Errno { return f.Sync() }

// Utimens implements sys.File.
func (f *rootFile) Utimens(atim, mtim int64) sys.Errno { return f.fs.Utimens(f.name, atim, mtim) }
