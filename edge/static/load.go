package static

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// codings are those of precompressed siblings, and the ends of their names.
var codings = [3]struct{ name, ext string }{{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}

// errUnsettled says that a file would not hold still.
var errUnsettled = errors.New("file is being written")

// load looks at the disk for name ("/a/b", or "/"). Where it still is what old
// says, old is returned.
func (h *Handler) load(name string, old *entry) (*entry, error) {
	if h.hidden(name) {
		return nil, exchange.ErrNotFound
	}
	root, err := h.tree.enter()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	rel := name[1:]
	if rel == "" {
		rel = "."
	}
	info, err := h.tree.stat(root, rel)
	if err != nil {
		return nil, err
	}
	peers := h.siblings(root, name, info)
	keep := old != nil && old.tls.Load()
	if old != nil && !old.young && old.kept == keep && sameFile(old.info, info) && sameFiles(&old.peers, &peers) {
		return old, nil
	}
	e := &entry{info: info, peers: peers, dir: info.IsDir(), kept: keep}
	e.tls.Store(keep)
	if !e.dir {
		err = h.loadForms(e, root, name)
	}
	e.seal(name)
	if err != nil {
		e.drop()
		return nil, err
	}
	return e, nil
}

// siblings returns the facts of precompressed siblings.
func (h *Handler) siblings(root *os.Root, name string, info fs.FileInfo) (peers [3]fs.FileInfo) {
	if h.plainOnly || info.IsDir() || h.typeOf(name).packed {
		return peers
	}
	for i, c := range codings {
		if h.hidden(name + c.ext) {
			continue
		}
		if p, err := h.tree.stat(root, name[1:]+c.ext); err == nil && p.Mode().IsRegular() {
			peers[i] = p
		}
	}
	return peers
}

func sameFiles(a, b *[3]fs.FileInfo) bool {
	for i := range a {
		if !sameFile(a[i], b[i]) {
			return false
		}
	}
	return true
}

// sameFile compares all that stat tells, so that a new right to read shows too.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

func (h *Handler) loadForms(e *entry, root *os.Root, name string) error {
	plain, err := h.loadForm(e, root, name, "", "")
	if err != nil {
		return err
	}
	e.forms = append(e.forms, plain)
	for i, c := range codings {
		p := e.peers[i]
		// One that is older holds other content; one that is not smaller is no use.
		if p == nil || p.ModTime().Before(e.info.ModTime()) || p.Size() >= e.info.Size() {
			continue
		}
		if f, err := h.loadForm(e, root, name, c.ext, c.name); err == nil {
			e.forms = append(e.forms, f)
		}
	}
	slices.SortStableFunc(e.forms[1:], func(a, b form) int { return cmp.Compare(a.size, b.size) })
	return nil
}

// loadForm opens name+ext and reads it if it is small: whole, and again if it was
// written to meanwhile, since half of one version and half of the next is neither.
func (h *Handler) loadForm(e *entry, root *os.Root, name, ext, coding string) (form, error) {
	f, info, err := h.tree.open(root, name[1:]+ext)
	if err != nil {
		return form{}, err
	}
	now := time.Now()
	out := form{coding: coding, size: info.Size(), file: f}
	most := int64(smallFile)
	if e.kept {
		most = mediumFile
	}
	if out.size <= most {
		for range 4 {
			out.content, info, err = readWhole(f, info)
			if err != errUnsettled || info.Size() > most {
				break
			}
		}
		switch out.size = info.Size(); err {
		case nil:
			if out.size <= smallFile {
				out.file = nil
			}
		case errUnsettled:
			e.unsettled = true
		default:
			_ = f.Close()
			return form{}, err
		}
	}
	// Twice the coarsest clock of a file system, FAT's (git's "racy" problem).
	e.young = e.young || now.Sub(info.ModTime()) < 4*time.Second
	if out.file == nil {
		_ = f.Close()
	}
	if ext == "" {
		e.info = info
	}
	h.describe(&out, name, info, now, e.unsettled)
	return out, nil
}

// readWhole reads all of f, or fails with errUnsettled and its newest facts.
func readWhole(f *os.File, info fs.FileInfo) ([]byte, fs.FileInfo, error) {
	content := make([]byte, info.Size())
	n, err := f.ReadAt(content, 0)
	if err != nil && err != io.EOF {
		return nil, info, classify(err)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, info, classify(err)
	}
	if n != len(content) || !sameFile(info, after) {
		return nil, after, errUnsettled
	}
	return content, after, nil
}

// tag makes a strong validator. That of a small file is made of its content: it
// is the same on every node and after every deployment that did not change it, and
// differs where a build gives all files one time stamp. A large file is told by
// its facts; the inode tells apart what such a build would not.
func (f *form) tag(info fs.FileInfo) string {
	sum := sha256.New()
	io.WriteString(sum, f.coding+"\x00")
	if f.file == nil {
		sum.Write(f.content)
	} else {
		var facts [24]byte
		binary.LittleEndian.PutUint64(facts[:], uint64(info.Size()))
		binary.LittleEndian.PutUint64(facts[8:], uint64(info.ModTime().UnixNano()))
		binary.LittleEndian.PutUint64(facts[16:], inode(info))
		sum.Write(facts[:])
	}
	return `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12]) + `"`
}
