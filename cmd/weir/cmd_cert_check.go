package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

type certCheckCmd struct {
	configFlag
	Repair  bool `help:"Delete what is damaged, so that weir obtains it anew, and what expired more than 30 days ago."`
	LostKey bool `help:"Delete what no encryption_key of the configuration opens: certificates, accounts, shared keys. Only if the key is lost; weir obtains all of it anew."`
	JSON    bool `name:"json" help:"Print JSON."`
}

// longExpired is how long ago a certificate must have ended for --repair to delete it.
const longExpired = 30 * 24 * time.Hour

// badRecord is a certificate in the store that is not as it should be.
type badRecord struct {
	Name string `json:"name"`
	// Kind is "damaged"; "unreadable", for want of a key or of a newer weir; or "expired",
	// as happens to names that nobody wants any more.
	Kind    string `json:"kind"`
	Deleted bool   `json:"deleted,omitempty"`
	Why     string `json:"why"`
}

func kindOfBad(err error) string {
	switch {
	case errors.Is(err, storage.ErrExpired):
		return "expired"
	case errors.Is(err, storage.ErrDamaged):
		return "damaged"
	}
	return "unreadable"
}

func (cmd *certCheckCmd) Run(a *app) error {
	s, err := cmd.stored(a)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := shelfTime()
	defer cancel()
	bad, left := []*badRecord{}, false
	if cmd.LostKey {
		if bad, err = s.forgetLost(ctx); err != nil {
			return err
		}
	}
	total := 0
	if err := storage.Certs(ctx, s.certs, func(string, *storage.Cert, error) error { total++; return nil }); err != nil {
		return err
	}
	problems, err := storage.Check(ctx, s.certs, time.Now())
	if err != nil {
		return err
	}
	for _, p := range problems {
		b := &badRecord{Name: strings.TrimPrefix(p.Key, storage.CertPrefix), Kind: kindOfBad(p.Err), Why: brief(p.Err)}
		if cmd.Repair {
			if b.Deleted, err = s.repair(ctx, b.Name, time.Now()); err != nil {
				return err
			}
		}
		left = left || b.Kind != "expired" && !b.Deleted
		bad = append(bad, b)
	}
	if cmd.JSON {
		err = printJSON(a.stdout, bad)
	} else {
		err = printBad(a, bad, total)
	}
	if left && err == nil {
		err = exitError(exitFailed)
	}
	return err
}

func printBad(a *app, bad []*badRecord, total int) error {
	t, counts := new(table), map[string]int{}
	for _, b := range bad {
		kind := b.Kind
		if counts[kind]++; b.Deleted {
			kind += ", deleted"
		}
		t.row(b.Name, kind, b.Why)
	}
	if err := t.print(a.stdout, widthOf(a.stdout)); err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString(count(total, "certificate") + " in the store")
	if total > 0 && counts["damaged"] == 0 {
		text.WriteString(", none damaged")
	}
	for _, kind := range sortedKeys(counts) {
		text.WriteString(fmt.Sprintf(", %d %s", counts[kind], kind))
	}
	_, err := fmt.Fprintln(a.stdout, text.String())
	return err
}

// repair deletes a record that is still damaged, or has long expired, once its lock is
// held: weir may be about to replace it. What cannot be read for want of a key, or since
// a newer weir wrote it, is not damaged: it stays.
func (s *shelf) repair(ctx context.Context, name string, now time.Time) (deleted bool, err error) {
	lock, err := s.certs.Lock(ctx, "issue/"+name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, lock.Unlock(context.WithoutCancel(ctx))) }()
	key := storage.CertKey(name)
	value, err := s.certs.Get(storage.Fresh(ctx), key)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err == nil {
		err = storage.CheckRecord(storage.Record{Key: key, Value: value}, now)
	}
	switch c, _ := storage.DecodeCert(value); {
	case errors.Is(err, storage.ErrExpired) && now.Sub(c.NotAfter) > longExpired:
	case !errors.Is(err, storage.ErrDamaged):
		return false, nil
	}
	return true, s.certs.Delete(ctx, key)
}

// forgetLost deletes what is encrypted with a key that the configuration does not have.
// What is encrypted where it has none at all stays: that may be the wrong configuration.
func (s *shelf) forgetLost(ctx context.Context) (gone []*badRecord, err error) {
	const page = 100
	gone = []*badRecord{}
	for after := ""; ; {
		records, err := s.certs.List(ctx, "", after, page)
		if err != nil {
			return nil, fmt.Errorf("list what is encrypted: %w", err)
		}
		for _, r := range records {
			after = r.Key
			if !storage.IsSealed(r.Value) {
				continue
			}
			_, err := s.certs.Get(storage.Fresh(ctx), r.Key)
			if !errors.Is(err, storage.ErrOtherKey) {
				continue
			}
			if err := s.certs.Delete(ctx, r.Key); err != nil {
				return nil, err
			}
			gone = append(gone, &badRecord{Name: strings.TrimPrefix(r.Key, storage.CertPrefix), Kind: kindOfBad(err), Deleted: true, Why: brief(err)})
		}
		if len(records) < page {
			return gone, nil
		}
	}
}
