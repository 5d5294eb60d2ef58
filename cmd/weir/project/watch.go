package project

import (
	"io/fs"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Tree watches a project's files, but for what compilers leave there.
type Tree struct {
	// C says that something may have changed; Changed, what.
	C <-chan struct{}

	dir    string
	but    []fs.FileInfo
	notify *fsnotify.Watcher
	seen   map[string]stamp
	dirs   []string
	done   chan struct{}
}

// settle is how long nothing must happen: editors write in several steps.
const settle = 50 * time.Millisecond

// Watch watches dir and what is below it, from now on. What happens to the files of but,
// such as the one that the caller's own output goes to, is no change. Whoever calls it
// calls Close.
func Watch(dir string, but ...fs.FileInfo) (*Tree, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	c := make(chan struct{}, 1)
	t := &Tree{C: c, dir: dir, but: but, notify: n, done: make(chan struct{})}
	files, dirs, err := look(dir, but)
	if err == nil {
		err = t.add(dirs)
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	t.seen, t.dirs = files, dirs
	go t.run(c)
	return t, nil
}

// add watches directories; again is harmless.
func (t *Tree) add(dirs []string) (err error) {
	for _, dir := range dirs {
		if e := t.notify.Add(dir); e != nil && err == nil {
			err = e
		}
	}
	return err
}

func (t *Tree) run(c chan<- struct{}) {
	defer close(t.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	for {
		select {
		case _, ok := <-t.notify.Events:
			if !ok {
				return
			}
			quiet.Reset(settle)
		case _, ok := <-t.notify.Errors: // events were lost
			if !ok {
				return
			}
			quiet.Reset(settle)
		case <-quiet.C:
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// Changed returns the names of the files that have changed since it was last called, or
// since Watch, with slashes and below the project's directory. It has new directories
// watched. It is for one goroutine.
func (t *Tree) Changed() ([]string, error) {
	files, dirs, err := look(t.dir, t.but)
	if err == nil && !slices.Equal(dirs, t.dirs) {
		// What is written into a new one before it is watched, nobody hears of.
		if err = t.add(dirs); err == nil {
			files, t.dirs, err = look(t.dir, t.but)
		}
	}
	if err != nil {
		return nil, err
	}
	names := differences(t.seen, files)
	t.seen = files
	return names, nil
}

// Close ends the watch.
func (t *Tree) Close() {
	t.notify.Close()
	<-t.done
}
