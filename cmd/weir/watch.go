package main

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher signals changed when one of some files was written. It watches directories,
// since editors, compilers and Kubernetes replace files rather than write them.
type watcher struct {
	changed chan struct{}
	notify  *fsnotify.Watcher
	lists   chan list
	done    chan struct{}
}

// list has the files to watch, and what some of them were when they were read. watching is
// closed when they are.
type list struct {
	files    []string
	read     map[string]fs.FileInfo
	watching chan struct{}
}

// settle is how long files must be quiet: they are written in several steps.
const settle = 100 * time.Millisecond

// watch begins with one file, whose directory must be there.
func watch(path string, log *slog.Logger) (*watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := n.Add(filepath.Dir(path)); err != nil {
		n.Close()
		return nil, err
	}
	w := &watcher{changed: make(chan struct{}, 1), notify: n, lists: make(chan list), done: make(chan struct{})}
	go w.run(filepath.Clean(path), log)
	return w, nil
}

// also has these files watched beside the first one, and no others any longer. One that is
// not what was read is changed.
func (w *watcher) also(files []string, read map[string]fs.FileInfo) {
	l := list{files, read, make(chan struct{})}
	select {
	case w.lists <- l:
		<-l.watching
	case <-w.done:
	}
}

func (w *watcher) run(first string, log *slog.Logger) {
	defer close(w.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	seen := watched{first: realPath(first)}
	for {
		select {
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if seen.changed(&e) {
				quiet.Reset(settle)
			}
		case l := <-w.lists:
			seen = w.look(seen, append(l.files, first), log)
			if l.outdated() {
				quiet.Reset(settle)
			}
			close(l.watching)
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			log.Warn("watch", "err", err)
		case <-quiet.C:
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}
}

// outdated tells whether one of the files has changed since it was read, which nobody
// watched.
func (l *list) outdated() bool {
	for path, then := range l.read {
		now, err := os.Stat(path)
		if err != nil || !os.SameFile(now, then) || now.Size() != then.Size() || !now.ModTime().Equal(then.ModTime()) {
			return true
		}
	}
	return false
}

// watched are files and where their links lead.
type watched map[string]string

func realPath(path string) string {
	real, _ := filepath.EvalSymlinks(path)
	return real
}

// changed tells whether e is of one of the files, or of a link on the way to one.
func (w watched) changed(e *fsnotify.Event) bool {
	name, any := filepath.Clean(e.Name), false
	for path, real := range w {
		if filepath.Dir(path) != filepath.Dir(name) {
			continue
		}
		now := realPath(path)
		any = any || name == path && !e.Has(fsnotify.Chmod) || now != real
		w[path] = now
	}
	return any
}

// look watches the directories of the files of a new list.
func (w *watcher) look(before watched, files []string, log *slog.Logger) watched {
	now, dirs := watched{}, map[string]bool{}
	for _, path := range files {
		path = filepath.Clean(path)
		now[path] = realPath(path)
		dir := filepath.Dir(path)
		if dirs[dir] {
			continue
		}
		dirs[dir] = true
		if err := w.notify.Add(dir); err != nil { // again is harmless
			log.Warn("not watching", "file", path, "err", err)
		}
	}
	for path := range before {
		if dir := filepath.Dir(path); !dirs[dir] {
			dirs[dir] = true
			w.notify.Remove(dir)
		}
	}
	return now
}

func (w *watcher) close() {
	w.notify.Close()
	<-w.done
}
