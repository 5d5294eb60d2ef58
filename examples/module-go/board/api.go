package board

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	var long *http.MaxBytesError
	switch {
	case errors.Is(err, errNoNotice):
		status = http.StatusNotFound
	case errors.Is(err, errChanged):
		status = http.StatusPreconditionFailed
	case errors.As(err, &long):
		status = http.StatusRequestEntityTooLarge
	}
	answer(w, status, map[string]string{"error": err.Error()})
}

func tag(n Notice) string { return fmt.Sprintf(`"%d"`, n.Version) }

func (b *Board) list(w http.ResponseWriter, r *http.Request) {
	list, by := b.notices.list(), r.URL.Query().Get("by")
	found := []Notice{}
	for _, n := range list {
		if by == "" || n.By == by {
			found = append(found, n)
		}
	}
	answer(w, http.StatusOK, found)
}

// read takes a notice from a request's body.
func read(w http.ResponseWriter, r *http.Request) (n Notice, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	d.DisallowUnknownFields()
	if err = d.Decode(&n); err != nil {
		return n, fmt.Errorf("read notice: %w", err)
	}
	if n.Text = strings.TrimSpace(n.Text); n.Text == "" {
		return n, errors.New("read notice: it says nothing")
	}
	return n, nil
}

func (b *Board) create(w http.ResponseWriter, r *http.Request) {
	n, err := read(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	n = b.notices.add(Notice{By: n.By, Text: n.Text})
	b.events.publish(event{"added", n})
	w.Header().Set("Location", "/api/notices/"+strconv.Itoa(n.ID))
	answer(w, http.StatusCreated, n)
}

func (b *Board) get(w http.ResponseWriter, r *http.Request) {
	n, ok := b.notice(w, r)
	if !ok {
		return
	}
	w.Header().Set("ETag", tag(n))
	if r.Header.Get("If-None-Match") == tag(n) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, n)
}

func (b *Board) change(w http.ResponseWriter, r *http.Request) {
	old, ok := b.notice(w, r)
	if !ok {
		return
	}
	n, err := read(w, r)
	if err == nil {
		version := 0
		if want := r.Header.Get("If-Match"); want != "" {
			if version, err = strconv.Atoi(strings.Trim(want, `"`)); err != nil {
				version = -1
			}
		}
		n, err = b.notices.change(old.ID, version, n.Text)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	b.events.publish(event{"changed", n})
	w.Header().Set("ETag", tag(n))
	answer(w, http.StatusOK, n)
}

func (b *Board) erase(w http.ResponseWriter, r *http.Request) {
	n, ok := b.notice(w, r)
	if !ok {
		return
	}
	if _, err := b.notices.remove(n.ID); err != nil {
		refuse(w, err)
		return
	}
	b.events.publish(event{"removed", n})
	w.WriteHeader(http.StatusNoContent)
}

func options(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "DELETE, GET, HEAD, OPTIONS, POST, PUT")
	w.WriteHeader(http.StatusNoContent)
}
