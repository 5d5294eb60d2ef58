package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/edge/store"
)

type storeCmd struct {
	Check   storeCheckCmd   `cmd:"" help:"Look whether the store works, and what it holds: exit code 0 or 1."`
	Export  storeExportCmd  `cmd:"" help:"Write all that the store holds to a file, as a backup or for another store."`
	Import  storeImportCmd  `cmd:"" help:"Read what export has written into the store."`
	Encrypt storeEncryptCmd `cmd:"" help:"Encrypt what the store holds with the first encryption_key."`
}

type storeExportCmd struct {
	configFlag
	Out  string `short:"o" default:"-" placeholder:"FILE" help:"The file, which is replaced when all is written; - is standard output."`
	JSON bool   `name:"json" help:"Print JSON, to standard output if --out is a file, else to standard error."`
}

func (cmd *storeExportCmd) Run(a *app) error {
	s, err := cmd.stored(a)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := shelfTime()
	defer cancel()
	n, said := int64(0), a.stdout
	if cmd.Out == "-" {
		if said = a.stderr; isTerminal(a.stdout) {
			return hinted{errors.New("export: this would show private keys on a terminal"), "write it to a file: --out FILE"}
		}
		n, err = s.store.Export(ctx, a.stdout)
	} else {
		n, err = s.exportTo(ctx, cmd.Out)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, "weir: this export holds secrets: keys of certificates, accounts and tickets; whoever has it can pose as your sites"+sealedNote(len(s.c.Store.Keys)))
	if cmd.JSON {
		return printJSON(said, map[string]any{"entries": n, "file": cmd.Out, "engine": s.engine, "place": s.place})
	}
	_, err = fmt.Fprintf(said, "%s exported from %s\n", countOf(n, "entry", "entries"), s.place)
	return err
}

// sealedNote adds what encryption at rest means for an export.
func sealedNote(keys int) string {
	if keys == 0 {
		return ""
	}
	return ". What is encrypted in the store is in the export as well, and needs the same encryption_key"
}

func countOf(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// exportTo writes an export to a file for its owner alone: whole, or not at all.
func (s *shelf) exportTo(ctx context.Context, path string) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".weir-export-*") // mode 0600
	if err != nil {
		return 0, err
	}
	n, err = s.store.Export(ctx, f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return n, err
}

type storeImportCmd struct {
	configFlag
	File    string `arg:"" help:"What export has written; - is standard input."`
	Replace bool   `help:"Replace what is there already; otherwise it stays."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (cmd *storeImportCmd) Run(a *app) error {
	var from io.Reader = a.stdin
	if cmd.File != "-" {
		f, err := os.Open(cmd.File)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	c, err := cmd.load(a)
	if err != nil {
		return err
	}
	s, err := openShelf(c, true)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := shelfTime()
	defer cancel()
	mode := store.KeepExisting
	if cmd.Replace {
		mode = store.ReplaceExisting
	}
	done, err := s.store.Import(ctx, from, mode)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, map[string]any{"written": done.Written, "kept": done.Kept, "expired": done.Expired, "engine": s.engine, "place": s.place})
	}
	text := countOf(done.Written, "entry", "entries") + " written to " + s.place
	if done.Kept > 0 {
		text += fmt.Sprintf("; %d were there and stayed (--replace replaces them)", done.Kept)
	}
	if done.Expired > 0 {
		text += fmt.Sprintf("; %d are out of date", done.Expired)
	}
	_, err = fmt.Fprintln(a.stdout, text)
	return err
}

type storeCheckCmd struct {
	adminFlag
	JSON bool `name:"json" help:"Print JSON."`
}

// storeReport is what `weir store check --json` says. Times are in seconds.
type storeReport struct {
	OK       bool           `json:"ok"`
	Engine   string         `json:"engine"`
	Version  string         `json:"version,omitempty"`
	Place    string         `json:"place"`
	Write    float64        `json:"write,omitempty"`
	Read     float64        `json:"read,omitempty"`
	Clock    float64        `json:"clock_ahead"`
	Values   int            `json:"values"`
	Sealed   int            `json:"encrypted"`
	Unopened int            `json:"not_opened"` // encrypted with a key that is not configured
	Older    int            `json:"older_key"`  // encrypted with another than the first key
	Findings []storeFinding `json:"findings"`
	Running  *storeJSON     `json:"running,omitempty"` // what the running weir says
}

type storeFinding struct {
	Level string `json:"level"` // ok, warning, wrong
	Text  string `json:"text"`
}

func (r *storeReport) add(level store.Level, format string, args ...any) {
	r.OK = r.OK && level != store.Wrong
	r.Findings = append(r.Findings, storeFinding{level.String(), fmt.Sprintf(format, args...)})
}

func (cmd *storeCheckCmd) Run(a *app) error {
	s, err := cmd.stored(a)
	if err != nil {
		return err
	}
	defer s.close()
	r := &storeReport{OK: true, Engine: s.engine, Place: s.place}
	var running storeJSON
	if cmd.live(s.c, "/store", &running) == nil && running.Engine != "" {
		r.Running = &running
	}
	ctx, cancel := shelfTime()
	defer cancel()
	r.look(ctx, s, len(s.c.Store.Keys))
	r.compare()
	if cmd.JSON {
		err = printJSON(a.stdout, r)
	} else {
		err = r.print(a)
	}
	if !r.OK && err == nil {
		err = exitError(exitFailed)
	}
	return err
}

// look asks the store itself.
func (r *storeReport) look(ctx context.Context, s *shelf, keys int) {
	found, err := s.store.Check(ctx)
	r.Version = found.Version
	r.Write, r.Read, r.Clock = found.Write.Seconds(), found.Read.Seconds(), found.Clock.Seconds()
	for _, f := range found.Findings {
		r.add(f.Level, "%s", f.Text)
	}
	if err == nil {
		err = r.count(ctx, s)
	}
	if err != nil {
		if n := len(r.Findings); n == 0 || !strings.Contains(err.Error(), r.Findings[n-1].Text) {
			r.add(store.Wrong, "%v", err)
		}
		return
	}
	switch plain := r.Values - r.Sealed; {
	case keys == 0 && r.Sealed > 0:
		r.add(store.Wrong, "%s encrypted, and the configuration has no encryption_key to read them", values(r.Sealed))
	case r.Unopened > 0:
		r.add(store.Wrong, "%s not opened by any encryption_key of the configuration: %s", values(r.Unopened), lostKeyHint)
	case keys == 0:
		r.add(store.Fine, "%s, not encrypted (store: encryption_key does that)", values(r.Values))
	case plain > 0:
		r.add(store.Warning, "%s not encrypted: written before there was a key; they are when they are written next, or by weir store encrypt", values(plain))
	case r.Older > 0:
		r.add(store.Warning, "%s encrypted with another key than the first: keep that one, or have weir store encrypt change them", values(r.Older))
	default:
		r.add(store.Fine, "%s, all encrypted", values(r.Values))
	}
}

func values(n int) string { return countOf(int64(n), "value", "values") + " of certificates and keys" }

// count looks which values are encrypted, and whether they open.
func (r *storeReport) count(ctx context.Context, s *shelf) error {
	for e, err := range s.secrets(ctx) {
		if err != nil {
			return err
		}
		r.Values++
		if !storage.IsSealed(e.Value) {
			continue
		}
		r.Sealed++
		_, err := opened(ctx, s.c, e)
		if err == nil && !byFirst(ctx, s.c, e) {
			r.Older++
		}
		for _, why := range []error{storage.ErrSealed, storage.ErrOtherKey, storage.ErrDamaged, storage.ErrNewer} {
			if errors.Is(err, why) {
				r.Unopened++
				break
			}
		}
	}
	return nil
}

// compare holds what the running weir says against what was found here.
func (r *storeReport) compare() {
	running := r.Running
	if running == nil {
		return
	}
	switch {
	case running.Place != r.Place:
		r.add(store.Warning, "the running weir has another store: %s (%s)", running.Place, running.Engine)
	case !running.Up:
		r.add(store.Wrong, "the running weir gets no answer from it")
	default:
		r.add(store.Fine, "the running weir uses it: %s under way", countOf(int64(running.Running), "operation", "operations"))
	}
	if c := running.Copy; c != nil && c.Stale {
		r.add(store.Warning, "the running weir has answered from its local copy since %s", c.Since.Local().Format(time.DateTime))
	} else if c != nil {
		r.add(store.Fine, "the running weir's local copy is up to date, %s", count(c.Files, "file"))
	}
}

func (r *storeReport) print(a *app) error {
	fmt.Fprintf(a.stdout, "%s at %s\n", strings.TrimSpace(r.Engine+" "+printable(r.Version)), printable(r.Place))
	t := &table{whole: true}
	for _, f := range r.Findings {
		t.row("  "+f.Level, f.Text)
	}
	if err := t.print(a.stdout, widthOf(a.stdout)); err != nil {
		return err
	}
	verdict := "the store is fine"
	if !r.OK {
		verdict = "the store is not fine"
	}
	_, err := fmt.Fprintln(a.stdout, verdict)
	return err
}

// storeJSON is what GET /store says. Times are in seconds.
type storeJSON struct {
	Engine     string        `json:"engine,omitempty"` // "": no store is open
	Place      string        `json:"place,omitempty"`
	Up         bool          `json:"up"`
	Running    int           `json:"running"`
	Hanging    int           `json:"hanging"`
	Locks      int           `json:"locks"`
	Watches    int           `json:"watches"`
	Copy       *copyJSON     `json:"copy,omitempty"`
	Operations []storeOpJSON `json:"operations,omitempty"`
}

type copyJSON struct {
	Stale bool      `json:"stale"`
	Since time.Time `json:"since,omitzero"`
	Files int       `json:"files"`
}

type storeOpJSON struct {
	Name   string  `json:"name"`
	Count  uint64  `json:"count"`
	Failed uint64  `json:"failed"`
	Time   float64 `json:"time"`
}

// store serves GET /store. It does not ask the store.
func (a *admin) store(w http.ResponseWriter, _ *http.Request) {
	var answer storeJSON
	view := a.process.world.certs.view()
	if view.store != nil {
		stats := view.store.Stats()
		answer = storeJSON{
			Engine: view.engine, Place: view.place, Up: !stats.Open,
			Running: stats.Running, Hanging: stats.Hanging, Locks: stats.Locks, Watches: stats.Watches,
		}
		for _, o := range stats.Operations {
			answer.Operations = append(answer.Operations, storeOpJSON{o.Name, o.Count, o.Failed, o.Time.Seconds()})
		}
		if view.mirror != nil {
			s := view.mirror.Status()
			answer.Copy = &copyJSON{Stale: s.Stale, Since: s.Since, Files: s.Files}
		}
	}
	writeJSON(w, answer)
}
