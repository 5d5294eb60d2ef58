package board

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

// mostUpload is how much may be uploaded at a time, and mostFiles how many are kept.
const (
	mostUpload = 1 << 20
	mostFiles  = 20
)

type file struct {
	content []byte
	tag     string
}

// files are what people have put beside the notices.
type files struct {
	mu  sync.RWMutex
	all map[string]file
}

var errFull = errors.New("there is no room for more files")

func (s *files) put(name string, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]file{}
	}
	if _, ok := s.all[name]; !ok && len(s.all) >= mostFiles {
		return errFull
	}
	sum := sha256.Sum256(content)
	s.all[name] = file{content, fmt.Sprintf(`"%x"`, sum[:8])}
	return nil
}

func (s *files) get(name string) (file, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, ok := s.all[name]
	return f, ok
}

func (s *files) list() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.all))
}

// upload keeps the file of a form.
func (b *Board) upload(w http.ResponseWriter, r *http.Request) {
	src, head, err := r.FormFile("file")
	if err != nil {
		refuse(w, err)
		return
	}
	defer src.Close()
	content, err := io.ReadAll(src)
	if err != nil {
		refuse(w, err)
		return
	}
	name := path.Base(head.Filename)
	if err := b.files.put(name, content); err != nil {
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
		return
	}
	w.Header().Set("Location", "/files/"+name)
	answer(w, http.StatusCreated, map[string]any{"name": name, "size": len(content), "note": r.FormValue("note")})
}

// download gives one back, or parts of it.
func (b *Board) download(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f, ok := b.files.get(name)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", f.tag)
	if r.URL.Query().Has("save") {
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.content))
}

// digest says what the parts of a form are, of any length, and keeps none.
func (b *Board) digest(w http.ResponseWriter, r *http.Request) {
	parts, err := r.MultipartReader()
	if err != nil {
		refuse(w, err)
		return
	}
	type sum struct {
		Part   string `json:"part"`
		File   string `json:"file,omitempty"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
	}
	all := []sum{}
	for {
		p, err := parts.NextPart()
		if err == io.EOF {
			answer(w, http.StatusOK, all)
			return
		}
		if err != nil {
			refuse(w, err)
			return
		}
		hash := sha256.New()
		n, err := io.Copy(hash, p)
		if err != nil {
			refuse(w, err)
			return
		}
		all = append(all, sum{p.FormName(), p.FileName(), n, fmt.Sprintf("%x", hash.Sum(nil))})
	}
}
