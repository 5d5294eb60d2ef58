package project

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stamp is what tells that a file has been written.
type stamp struct {
	size int64
	time time.Time
}

// mostFiles is how many a project may have: a directory with more is not one.
const mostFiles = 20_000

// skipped are directories whose files nobody writes by hand.
var skipped = []string{"target", "node_modules", "build", "dist", "vendor"}

// ignored tells whether a name is none of the sources': made by compilers, by programs
// that log, or by editors while they write.
func ignored(name string, dir bool) bool {
	switch {
	case dir:
		return slices.Contains(skipped, name) || strings.HasPrefix(name, ".") && name != ".cargo"
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "#"), name == "4913": // vim looks whether it may write
		return true
	}
	return strings.HasSuffix(name, "~") || slices.Contains([]string{".wasm", ".log", ".new", ".tmp", ".swp", ".o"}, filepath.Ext(name))
}

// look returns the files below dir, by their names there, and the directories. Files of
// but are not among them.
func look(dir string, but []fs.FileInfo) (files map[string]stamp, dirs []string, err error) {
	files = map[string]stamp{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil { // it has gone in the meantime, or may not be read
			if path == dir {
				return err
			}
			return nil
		}
		if path != dir && ignored(d.Name(), d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			dirs = append(dirs, path)
			return nil
		}
		info, err := d.Info()
		if err != nil || slices.ContainsFunc(but, func(b fs.FileInfo) bool { return os.SameFile(info, b) }) {
			return nil
		}
		if len(files) == mostFiles {
			return fmt.Errorf("watch %s: it has more than %d files", dir, mostFiles)
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = stamp{info.Size(), info.ModTime()}
		return err
	})
	return files, dirs, err
}

// differences returns the names of files that are in one only, or not the same in both.
func differences(a, b map[string]stamp) (names []string) {
	for name, was := range a {
		if now, ok := b[name]; !ok || now.size != was.size || !now.time.Equal(was.time) {
			names = append(names, name)
		}
	}
	for name := range maps.Keys(b) {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
