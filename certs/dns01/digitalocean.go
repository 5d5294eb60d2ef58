package dns01

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func digitalOceanKind() Kind {
	k := Kind{
		Name: "digitalocean",
		Doc: "Zones at DigitalOcean, by API v2. Make a personal access token with the custom scopes domain:read, " +
			"domain:create, domain:update and domain:delete. HTTPS records cannot be written there.",
		Settings: []Setting{
			{Name: "token", Doc: "the personal access token", Required: true, Secret: true},
			{Name: "endpoint", Doc: "where the API is", Default: "https://api.digitalocean.com/v2"},
		},
	}
	k.open = func(s settings) (Provider, error) {
		base, err := endpoint(s, "endpoint", "")
		if err != nil {
			return nil, err
		}
		c := newClient(k.Name, base, s.get("token"))
		c.sign, c.message = bearer("Authorization", "Bearer ", s.get("token")), digitalOceanMessage
		return newProvider(k, &digitalOcean{c}), nil
	}
	return k
}

// digitalOcean is API v2: records by themselves, zones by name, names relative to them.
type digitalOcean struct{ *client }

func digitalOceanMessage(answer []byte) string {
	var w struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer, &w) // no message is what is left of nonsense
	if w.ID == "" {
		return w.Message
	}
	return fmt.Sprintf("%s (%s)", w.Message, w.ID)
}

func (a *digitalOcean) zone(ctx context.Context, name string) (zone, error) {
	var w struct {
		Domain struct {
			Name string `json:"name"`
		} `json:"domain"`
	}
	err := a.do(ctx, call{op: "find zone", method: http.MethodGet, path: []string{"domains", name}, out: &w})
	if status(err) == http.StatusNotFound || err == nil && w.Domain.Name != name {
		return zone{}, ErrNoZone
	}
	return zone{id: name, name: name}, err
}

type digitalOceanRecord struct {
	ID   int64  `json:"id,omitempty"`
	Type string `json:"type"`
	Name string `json:"name"`
	Data string `json:"data"`
	TTL  int    `json:"ttl"`
}

func (a *digitalOcean) values(ctx context.Context, z zone, name, typ string) ([]string, error) {
	return valuesOf(ctx, a, z, name, typ)
}

func (a *digitalOcean) change(ctx context.Context, z zone, c change) error {
	return changeRecords(ctx, a, z, c)
}

func (a *digitalOcean) list(ctx context.Context, z zone, name, typ string) ([]record, error) {
	var all []record
	short := relative(name, z.name, "@")
	for page := 1; page <= mostPages; page++ {
		var w struct {
			Records []digitalOceanRecord `json:"domain_records"`
			Links   struct {
				Pages struct {
					Next string `json:"next"`
				} `json:"pages"`
			} `json:"links"`
		}
		err := a.do(ctx, call{
			op: "list records", method: http.MethodGet, path: []string{"domains", z.id, "records"}, out: &w,
			query: url.Values{"type": {typ}, "name": {name}, "per_page": {"200"}, "page": {strconv.Itoa(page)}},
		})
		if err != nil {
			return nil, err
		}
		for _, r := range w.Records {
			if r.Name == short && r.Type == typ {
				all = append(all, record{strconv.FormatInt(r.ID, 10), unquote(r.Data)})
			}
		}
		// The address of the next page is not followed: only that there is one counts.
		if w.Links.Pages.Next == "" {
			return all, nil
		}
	}
	return nil, tooMany(name, typ)
}

func (a *digitalOcean) create(ctx context.Context, z zone, c change, value string) error {
	return a.do(ctx, call{
		op: "create record", method: http.MethodPost, path: []string{"domains", z.id, "records"},
		in: digitalOceanRecord{
			Type: c.typ, Name: relative(c.name, z.name, "@"), Data: value, TTL: c.seconds(z, 30*time.Second),
		},
	})
}

func (a *digitalOcean) remove(ctx context.Context, z zone, id string) error {
	return a.do(ctx, call{op: "delete record", method: http.MethodDelete, path: []string{"domains", z.id, "records", id}})
}
