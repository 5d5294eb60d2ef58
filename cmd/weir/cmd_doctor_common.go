package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
)

// configuration builds what the configuration says, and opens nothing.
func (d *doctor) configuration(ctx context.Context) []finding {
	w := dryWorld()
	defer w.close()
	f := finding{Level: fine}
	snap, err := w.buildUntil(ctx, d.c)
	switch {
	case err != nil && ctx.Err() != nil:
		return one(warning, "it takes long to be built", "weir check takes the time that it needs")
	case err != nil:
		text, _, _ := strings.Cut(err.Error(), "\n")
		f.Level, f.Found, f.Hint = wrong, text, "weir check says more"
		return []finding{f}
	}
	snap.Discard()
	f.Found = count(len(d.c.Sites), "site") + ", " + count(len(d.targets)+d.left, "name") + " with certificates of a public authority"
	all := []finding{f}
	for _, warn := range d.c.Warnings {
		all = append(all, finding{Subject: warn.Pos.String(), Level: warning, Found: warn.Message, Hint: warn.Hint})
	}
	return all
}

// firstExams are what others build on.
func (d *doctor) firstExams() []exam {
	return []exam{
		{check: "configuration", subject: d.c.File, do: d.configuration},
		{check: "running", subject: cmp.Or(d.client().address, "admin: off"), do: d.examineRunning},
		{check: "store", subject: d.c.Store.Engine(), do: func(context.Context) []finding {
			s, err := openShelf(d.c, false)
			d.opened.Store(&openedShelf{s, err})
			return nil // which is for examineStore to tell
		}},
	}
}

// commonExams are those of what names have in common.
func (d *doctor) commonExams() []exam {
	var all []exam
	if dir, err := dataDir(d.c); err == nil {
		all = append(all, exam{check: "data", subject: dir, do: func(context.Context) []finding { return examineDir(dir, d.needsData()) }})
	}
	if d.store() {
		all = append(all, exam{check: "store", do: d.examineStore})
	}
	all = append(all, d.listenerExams()...)
	all = append(all, exam{check: "limits", subject: "this process", do: func(context.Context) []finding { return examineLimits(d.c) }})
	if d.internal() {
		all = append(all, exam{check: "internal CA", do: d.examineInternal})
	}
	all = append(all, d.authorityExams()...)
	if ask := d.c.OnDemand.Ask; ask != "" {
		all = append(all, exam{check: "ask", subject: withoutQuery(ask), do: func(ctx context.Context) []finding { return examineAsk(ctx, ask) }})
	}
	for _, s := range d.sites() {
		if s.TLS.Mode == "files" {
			all = append(all, exam{check: "key", subject: s.TLS.Key, site: s.Hosts[0].Name, do: func(context.Context) []finding { return examinePair(s) }})
		}
	}
	return all
}

func withoutQuery(u string) string { before, _, _ := strings.Cut(u, "?"); return before }

// store tells whether the configuration needs the store.
func (d *doctor) store() bool { return wantsStore(d.c) }

// internal tells whether a site has its certificate of weir's own authority.
func (d *doctor) internal() bool {
	for _, s := range d.sites() {
		for _, h := range s.Hosts {
			if len(d.c.Listen.HTTPS) > 0 && kindOf(s, h.Name) == fromInternal {
				return true
			}
		}
	}
	return false
}

// needsData tells whether anything is kept in the data directory.
func (d *doctor) needsData() bool {
	return d.store() && (d.c.Store.Path() == "" || d.c.Store.LocalCopy) || d.internal() && d.c.CA.Dir == ""
}

func (d *doctor) examineRunning(context.Context) []finding {
	if d.client().address == "" {
		return one(warning, "whether weir runs cannot be asked", "have admin: 127.0.0.1:9180, or name it with --admin")
	}
	if _, err := d.client().do("GET", "/health"); err != nil {
		return one(warning, err.Error(), "start weir, or the way to it cannot be tried; if it runs, is this its configuration?")
	}
	d.running.Store(true)
	if text, err := d.client().do("GET", "/config"); err == nil && text != string(config.Normal(d.c)) {
		return one(warning, "weir runs, but its configuration is not what this file says now", "weir reload; or name its file with -c")
	}
	return one(fine, "weir runs, with this configuration", "")
}

func (d *doctor) client() adminClient {
	if d.cmd.Admin != "" {
		return adminClient{d.cmd.Admin}
	}
	return adminClient{d.c.Admin.Address}
}

// storeLevel is a level of the store as one of ours.
func storeLevel(l store.Level) level {
	switch l {
	case store.Fine:
		return fine
	case store.Warning:
		return warning
	}
	return wrong
}

func (d *doctor) examineStore(ctx context.Context) []finding {
	o := d.opened.Load()
	if o.err != nil {
		return []finding{{Subject: d.c.Store.Engine(), Level: wrong, Found: o.err.Error(), Hint: cmp.Or(hintFor(o.err), "see that it is there, and that this user may use it")}}
	}
	subject := o.shelf.place
	if o.shelf.store == nil {
		all := examineDir(filepath.Dir(subject), true)
		for i := range all {
			all[i].Subject = filepath.Dir(subject)
		}
		return append(all, finding{Subject: subject, Level: fine, Found: "there is none yet; weir makes it at its first start"})
	}
	report, err := o.shelf.store.Check(ctx)
	var all []finding
	for _, f := range report.Findings {
		all = append(all, finding{Subject: subject, Level: storeLevel(f.Level), Found: f.Text})
	}
	if err != nil {
		hint := "see that the server is there, and what its log says; until it is back weir serves what it has"
		if o.shelf.engine == "sqlite" {
			hint = "see that this user may write the file and its directory, and that the disk is not full or read-only"
		}
		all = append(all, finding{Subject: subject, Level: wrong, Found: err.Error(), Hint: hint})
	}
	return all
}

// examineInternal looks at the keys of the internal CA, and whether this machine trusts it.
func (d *doctor) examineInternal(context.Context) []finding {
	dir, err := caDir(d.c)
	if err != nil {
		return one(wrong, err.Error(), "")
	}
	entries, err := os.ReadDir(dir)
	switch {
	case os.IsNotExist(err):
		return []finding{{Subject: dir, Level: fine, Found: "there is none yet; weir makes it at its first start"}}
	case err != nil:
		return []finding{{Subject: dir, Level: wrong, Found: err.Error(), Hint: hintFor(err)}}
	}
	all := examineDir(dir, true)
	for i := range all {
		all[i].Subject = dir
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), "-key.pem") {
			all = append(all, examineKeyMode(filepath.Join(dir, e.Name()), info.Mode())...)
		}
	}
	root := filepath.Join(dir, "root.crt")
	f := finding{Subject: root, Level: fine, Found: "this machine trusts it"}
	if trusted, err := certs.Trusted(root); err != nil {
		f.Level, f.Found = warning, err.Error()
	} else if !trusted {
		f.Found, f.Hint = "this machine does not trust it", "weir trust has browsers and programs here trust it"
	}
	return append(all, f)
}

// examineKeyMode says whether others may read a key; nothing if all is well.
func examineKeyMode(path string, mode fs.FileMode) []finding {
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	return []finding{{Subject: path, Level: wrong, Found: fmt.Sprintf("others may use the key (mode %#o)", mode.Perm()), Hint: "chmod 600 " + path}}
}

// examinePair looks at a certificate and its key that the configuration names.
func examinePair(s *config.Site) []finding {
	files := certs.NewFiles(certs.FilesOptions{Log: quiet()})
	defer files.Close()
	pair, err := files.LoadPair(s.TLS.Cert, s.TLS.Key)
	if err != nil {
		return one(wrong, err.Error(), hintFor(err))
	}
	defer pair.Close()
	var all []finding
	info, err := os.Stat(s.TLS.Key)
	switch {
	case err != nil:
		return one(wrong, err.Error(), hintFor(err))
	case info.Mode().Perm()&0o007 != 0:
		all = one(wrong, fmt.Sprintf("everybody on this machine may use the key (mode %#o)", info.Mode().Perm()), "chmod 640 "+s.TLS.Key)
	}
	for _, w := range pair.Warnings() {
		if !strings.HasSuffix(w, "chmod o-r") { // said above
			all = append(all, finding{Level: warning, Found: w})
		}
	}
	if len(all) == 0 {
		all = one(fine, "certificate and key belong together", "")
	}
	return all
}

func examineAsk(ctx context.Context, ask string) []finding {
	switch yes, err := demand.TryAsk(ctx, ask); {
	case err != nil:
		return one(wrong, err.Error(), "names that are not known yet get no certificate while it does not answer 2xx or 4xx")
	case yes:
		return one(warning, "it says yes to a name that cannot exist", "have it say no (404) to names that are not yours: else anybody can use up the authority's limits")
	}
	return one(fine, "it answers, and says no to a name that cannot exist", "")
}

// listens tells whether somebody takes connections at an address of this machine.
func listens(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
