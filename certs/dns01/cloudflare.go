package dns01

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func cloudflareKind() Kind {
	k := Kind{
		Name: "cloudflare",
		Doc: "Zones at Cloudflare, by API v4. Make an API token (not the global key) with the permissions " +
			"Zone:Read and DNS:Edit for the zones in question.",
		Publishes: true,
		Settings: []Setting{
			{Name: "token", Doc: "the API token", Required: true, Secret: true},
			{Name: "endpoint", Doc: "where the API is", Default: "https://api.cloudflare.com/client/v4"},
		},
	}
	k.open = func(s settings) (Provider, error) {
		base, err := endpoint(s, "endpoint", "")
		if err != nil {
			return nil, err
		}
		c := newClient(k.Name, base, s.get("token"))
		c.sign, c.message = bearer("Authorization", "Bearer ", s.get("token")), cloudflareMessage
		return publisher{newProvider(k, &cloudflare{c})}, nil
	}
	return k
}

// cloudflare is API v4: records by themselves, zones and records by id.
type cloudflare struct{ *client }

type cloudflareErrors []struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func cloudflareMessage(answer []byte) string {
	var w struct {
		Errors cloudflareErrors `json:"errors"`
	}
	_ = json.Unmarshal(answer, &w) // no message is what is left of nonsense
	var all []string
	for _, e := range w.Errors[:min(len(w.Errors), 5)] {
		all = append(all, fmt.Sprintf("%s (%d)", e.Message, e.Code))
	}
	return strings.Join(all, "; ")
}

func (a *cloudflare) zone(ctx context.Context, name string) (zone, error) {
	var w struct {
		Result []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"result"`
	}
	err := a.do(ctx, call{
		op: "find zone", method: http.MethodGet, path: []string{"zones"}, query: url.Values{"name": {name}}, out: &w,
	})
	if err != nil {
		return zone{}, err
	}
	for _, z := range w.Result {
		if z.Name == name {
			return zone{id: z.ID, name: name}, nil
		}
	}
	return zone{}, fmt.Errorf("%w, or the token lacks Zone:Read for it", ErrNoZone)
}

type cloudflareData struct {
	Priority uint16 `json:"priority"`
	Target   string `json:"target"`
	Value    string `json:"value"`
}

type cloudflareRecord struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Name    string          `json:"name"`
	Content string          `json:"content,omitempty"`
	Data    *cloudflareData `json:"data,omitempty"`
	TTL     int             `json:"ttl"`
}

func (a *cloudflare) values(ctx context.Context, z zone, name, typ string) ([]string, error) {
	return valuesOf(ctx, a, z, name, typ)
}

func (a *cloudflare) change(ctx context.Context, z zone, c change) error {
	return changeRecords(ctx, a, z, c)
}

func (a *cloudflare) list(ctx context.Context, z zone, name, typ string) ([]record, error) {
	var all []record
	for page := 1; page <= mostPages; page++ {
		var w struct {
			Result []cloudflareRecord `json:"result"`
			Info   struct {
				Pages int `json:"total_pages"`
			} `json:"result_info"`
		}
		err := a.do(ctx, call{
			op: "list records", method: http.MethodGet, path: []string{"zones", z.id, "dns_records"}, out: &w,
			query: url.Values{"type": {typ}, "name": {name}, "per_page": {"100"}, "page": {strconv.Itoa(page)}},
		})
		if err != nil {
			return nil, err
		}
		for _, r := range w.Result {
			if r.Name != name || r.Type != typ {
				continue
			}
			value, err := fromAPI(typ, r.Content)
			if err != nil {
				return nil, err
			}
			all = append(all, record{r.ID, value})
		}
		if page >= w.Info.Pages {
			return all, nil
		}
	}
	return nil, tooMany(name, typ)
}

func (a *cloudflare) create(ctx context.Context, z zone, c change, value string) error {
	r := cloudflareRecord{Type: c.typ, Name: c.name, TTL: c.seconds(z, time.Minute)}
	if c.typ == typeTXT {
		r.Content = quote(value)
	} else {
		priority, rest, _ := strings.Cut(value, " ")
		target, params, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(priority, 10, 16)
		if err != nil {
			return fmt.Errorf("create record at %s: priority %q", a.provider, priority)
		}
		r.Data = &cloudflareData{uint16(n), target, params}
	}
	err := a.do(ctx, call{
		op: "create record", method: http.MethodPost, path: []string{"zones", z.id, "dns_records"}, in: r,
		again: true, // a second one is refused
	})
	// 81057 and 81058: there is one already, put in since we looked.
	if e := status(err); e == 400 && (strings.Contains(err.Error(), "(81057)") || strings.Contains(err.Error(), "(81058)")) {
		return nil
	}
	return err
}

func (a *cloudflare) remove(ctx context.Context, z zone, id string) error {
	return a.do(ctx, call{op: "delete record", method: http.MethodDelete, path: []string{"zones", z.id, "dns_records", id}})
}

// fromAPI brings a value as zone files have it into the form that backend wants.
func fromAPI(typ, content string) (string, error) {
	if typ == typeHTTPS {
		return canonical(content)
	}
	return unquote(content), nil
}

// toAPI is the way back.
func toAPI(typ, value string) string {
	if typ == typeTXT {
		return quote(value)
	}
	return value
}

func tooMany(name, typ string) error {
	return fmt.Errorf("list records: %s has %s records on more than %d pages", name, typ, mostPages)
}
