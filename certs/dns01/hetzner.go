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

func hetznerKind() Kind {
	k := Kind{
		Name: "hetzner",
		Doc: "Zones at Hetzner. Those in the Hetzner Console need a read and write API token of their project; " +
			"zones that are still in the old DNS Console need api: classic and a token from there, and cannot hold HTTPS records.",
		Publishes: true,
		Settings: []Setting{
			{Name: "token", Doc: "the API token", Required: true, Secret: true},
			{Name: "api", Doc: "which of the two the zone is in", Default: "cloud", Choices: []string{"cloud", "classic"}},
			{Name: "endpoint", Doc: "where the API is; by default https://api.hetzner.cloud/v1, or https://dns.hetzner.com/api/v1 for classic"},
		},
	}
	k.open = func(s settings) (Provider, error) {
		classic := s.get("api") == "classic"
		where := "https://api.hetzner.cloud/v1"
		if classic {
			where = "https://dns.hetzner.com/api/v1"
		}
		base, err := endpoint(s, "endpoint", where)
		if err != nil {
			return nil, err
		}
		c := newClient(k.Name, base, s.get("token"))
		c.message = hetznerMessage
		if classic {
			c.sign = bearer("Auth-API-Token", "", s.get("token"))
			return newProvider(k, &hetznerClassic{c}), nil
		}
		c.sign = bearer("Authorization", "Bearer ", s.get("token"))
		return publisher{newProvider(k, &hetznerCloud{c})}, nil
	}
	return k
}

// hetznerMessage reads errors of both APIs: the classic one has numbers for codes, and
// its gateway a message only.
func hetznerMessage(answer []byte) string {
	var w struct {
		Message string `json:"message"`
		Error   struct {
			Message string `json:"message"`
			Code    any    `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(answer, &w) // no message is what is left of nonsense
	switch {
	case w.Error.Message == "":
		return w.Message
	case w.Error.Code == nil:
		return w.Error.Message
	}
	return fmt.Sprintf("%s (%v)", w.Error.Message, w.Error.Code)
}

// hetznerClassic is the API of the DNS Console: records by themselves, all of a zone in
// one list, names relative to the zone.
type hetznerClassic struct{ *client }

func (a *hetznerClassic) zone(ctx context.Context, name string) (zone, error) {
	var w struct {
		Zones []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"zones"`
	}
	err := a.do(ctx, call{
		op: "find zone", method: http.MethodGet, path: []string{"zones"}, query: url.Values{"name": {name}}, out: &w,
	})
	if err != nil && status(err) != http.StatusNotFound {
		return zone{}, err
	}
	for _, z := range w.Zones {
		if z.Name == name {
			return zone{id: z.ID, name: name}, nil
		}
	}
	return zone{}, ErrNoZone
}

type hetznerRecord struct {
	ID    string `json:"id,omitempty"`
	Zone  string `json:"zone_id"`
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
	TTL   int    `json:"ttl,omitempty"`
}

func (a *hetznerClassic) values(ctx context.Context, z zone, name, typ string) ([]string, error) {
	return valuesOf(ctx, a, z, name, typ)
}

func (a *hetznerClassic) change(ctx context.Context, z zone, c change) error {
	return changeRecords(ctx, a, z, c)
}

func (a *hetznerClassic) list(ctx context.Context, z zone, name, typ string) ([]record, error) {
	var all []record
	short := relative(name, z.name, "@")
	for page := 1; page <= mostPages; page++ {
		var w struct {
			Records []hetznerRecord `json:"records"`
			Meta    struct {
				Pagination struct {
					Last int `json:"last_page"`
				} `json:"pagination"`
			} `json:"meta"`
		}
		err := a.do(ctx, call{
			op: "list records", method: http.MethodGet, path: []string{"records"}, out: &w,
			query: url.Values{"zone_id": {z.id}, "per_page": {"100"}, "page": {strconv.Itoa(page)}},
		})
		if err != nil {
			return nil, err
		}
		for _, r := range w.Records {
			if r.Name == short && r.Type == typ {
				all = append(all, record{r.ID, unquote(r.Value)})
			}
		}
		if page >= w.Meta.Pagination.Last {
			return all, nil
		}
	}
	return nil, tooMany(name, typ)
}

func (a *hetznerClassic) create(ctx context.Context, z zone, c change, value string) error {
	return a.do(ctx, call{
		op: "create record", method: http.MethodPost, path: []string{"records"},
		in: hetznerRecord{
			Zone: z.id, Type: c.typ, Name: relative(c.name, z.name, "@"), Value: value, TTL: c.seconds(z, time.Minute),
		},
	})
}

func (a *hetznerClassic) remove(ctx context.Context, _ zone, id string) error {
	return a.do(ctx, call{op: "delete record", method: http.MethodDelete, path: []string{"records", id}})
}
