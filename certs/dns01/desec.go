package dns01

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func desecKind() Kind {
	k := Kind{
		Name: "desec",
		Doc: "Zones at deSEC (desec.io), or at a deSEC stack of your own. Make a token under Token Management; a policy may " +
			"confine it to TXT records below _acme-challenge. deSEC permits 15 changes of a domain in a minute and 300 in a day.",
		Publishes: true,
		Settings: []Setting{
			{Name: "token", Doc: "the token's secret value", Required: true, Secret: true},
			{Name: "endpoint", Doc: "where the API is", Default: "https://desec.io/api/v1"},
		},
	}
	k.open = func(s settings) (Provider, error) {
		base, err := endpoint(s, "endpoint", "")
		if err != nil {
			return nil, err
		}
		c := newClient(k.Name, base, s.get("token"))
		c.sign, c.message = bearer("Authorization", "Token ", s.get("token")), desecMessage
		return publisher{newProvider(k, &desec{c})}, nil
	}
	return k
}

// desec knows whole sets of records only.
type desec struct{ *client }

// desecMessage reads {"detail": "…"}, {"field": ["…"]}, and lists of such.
func desecMessage(answer []byte) string {
	var detail struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(answer, &detail) == nil && detail.Detail != "" {
		return detail.Detail
	}
	var w any
	_ = json.Unmarshal(answer, &w) // no message is what is left of nonsense
	var all []string
	collect(&all, "", w)
	return strings.Join(all, "; ")
}

func collect(all *[]string, field string, w any) {
	const most = 5 // of what is said
	if len(*all) >= most {
		return
	}
	switch w := w.(type) {
	case string:
		*all = append(*all, strings.TrimPrefix(field+": "+w, ": "))
	case []any:
		for _, v := range w {
			collect(all, field, v)
		}
	case map[string]any:
		keys := make([]string, 0, len(w))
		for k := range w {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			collect(all, k, w[k])
		}
	}
}

func (a *desec) zone(ctx context.Context, name string) (zone, error) {
	var w struct {
		Name string `json:"name"`
		TTL  int    `json:"minimum_ttl"`
	}
	err := a.do(ctx, call{op: "find zone", method: http.MethodGet, path: []string{"domains", name, ""}, out: &w})
	if status(err) == http.StatusNotFound || err == nil && w.Name != name {
		return zone{}, ErrNoZone
	}
	return zone{id: name, name: name, ttl: time.Duration(min(max(w.TTL, 0), 604800)) * time.Second}, err
}

type desecSet struct {
	Subname string   `json:"subname"`
	Type    string   `json:"type"`
	TTL     int      `json:"ttl,omitempty"`
	Records []string `json:"records"`
}

// read returns the set; without records if there is none.
func (a *desec) read(ctx context.Context, z zone, name, typ string) (desecSet, error) {
	var w desecSet
	err := a.do(ctx, call{
		op: "read records", method: http.MethodGet, out: &w,
		path: []string{"domains", z.id, "rrsets", relative(name, z.name, "@"), typ, ""},
	})
	if status(err) == http.StatusNotFound {
		return desecSet{}, nil
	}
	return w, err
}

func (a *desec) values(ctx context.Context, z zone, name, typ string) ([]string, error) {
	set, err := a.read(ctx, z, name, typ)
	if err != nil {
		return nil, err
	}
	return allFromAPI(typ, set.Records)
}

// change reads and writes the whole set. Another node that writes in between is noticed
// where a set is new, only; there is nothing at deSEC to notice it by otherwise.
func (a *desec) change(ctx context.Context, z zone, c change) error {
	for try := 1; ; try++ {
		set, err := a.read(ctx, z, c.name, c.typ)
		if err != nil {
			return err
		}
		have, err := allFromAPI(c.typ, set.Records)
		if err != nil {
			return err
		}
		want, differs := c.apply(have)
		if !differs {
			return nil
		}
		err = a.write(ctx, z, c, set, want)
		if status(err) == http.StatusBadRequest && len(have) == 0 && try < 3 {
			if now, e := a.read(ctx, z, c.name, c.typ); e == nil && len(now.Records) > 0 {
				continue // somebody else made it
			}
		}
		return err
	}
}

func (a *desec) write(ctx context.Context, z zone, c change, old desecSet, values []string) error {
	set := desecSet{
		Subname: relative(c.name, z.name, ""), Type: c.typ, TTL: max(old.TTL, c.seconds(z, time.Second)), Records: []string{},
	}
	for _, v := range values {
		set.Records = append(set.Records, toAPI(c.typ, v))
	}
	k := call{op: "write records", method: http.MethodPost, path: []string{"domains", z.id, "rrsets", ""}, in: set}
	switch {
	case len(old.Records) > 0:
		k.method = http.MethodPatch
		k.path = []string{"domains", z.id, "rrsets", relative(c.name, z.name, "@"), c.typ, ""}
		k.in = struct {
			TTL     int      `json:"ttl"`
			Records []string `json:"records"`
		}{set.TTL, set.Records}
	case len(values) == 0:
		return nil
	}
	if err := a.do(ctx, k); err != nil {
		return fmt.Errorf("set %s: %w", c.name, err)
	}
	return nil
}
