package main

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher signals changed when a file was written. It watches the directory, since
// editors and Kubernetes replace files rather than write them.
type watcher struct {
	changed chan struct{}
	notify  *fsnotify.Watcher
	done    chan struct{}
}

// settle is how long a file must be quiet: editors write in several steps.
const settle = 100 * time.Millisecond

func watch(path string, log *slog.Logger) (*watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := n.Add(filepath.Dir(path)); err != nil {
		n.Close()
		return nil, err
	}
	w := &watcher{changed: make(chan struct{}, 1), notify: n, done: make(chan struct{})}
	go w.run(filepath.Clean(path), log)
	return w, nil
}

func (w *watcher) run(path string, log *slog.Logger) {
	defer close(w.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	real, _ := filepath.EvalSymlinks(path)
	for {
		select {
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			now, _ := filepath.EvalSymlinks(path)
			if filepath.Clean(e.Name) == path && !e.Has(fsnotify.Chmod) || now != real {
				real = now
				quiet.Reset(settle)
			}
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

func (w *watcher) close() {
	w.notify.Close()
	<-w.done
}
