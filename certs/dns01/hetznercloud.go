package dns01

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// hetznerCloud is the API of the Hetzner Console: sets of records to which the API adds
// and from which it removes by itself, in actions that it reports the end of.
type hetznerCloud struct{ *client }

func (a *hetznerCloud) zone(ctx context.Context, name string) (zone, error) {
	var w struct {
		Zone struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"zone"`
	}
	err := a.do(ctx, call{op: "find zone", method: http.MethodGet, path: []string{"zones", name}, out: &w})
	if status(err) == http.StatusNotFound || err == nil && w.Zone.Name != name {
		return zone{}, ErrNoZone
	}
	return zone{id: strconv.FormatInt(w.Zone.ID, 10), name: name}, err
}

type hetznerValue struct {
	Value string `json:"value"`
}

func (a *hetznerCloud) set(z zone, name, typ string, more ...string) []string {
	return append([]string{"zones", z.id, "rrsets", relative(name, z.name, "@"), typ}, more...)
}

// raw reads the values of a set as the API has them. There is none: nil.
func (a *hetznerCloud) raw(ctx context.Context, z zone, name, typ string) ([]string, error) {
	var w struct {
		Set struct {
			Records []hetznerValue `json:"records"`
		} `json:"rrset"`
	}
	err := a.do(ctx, call{op: "read records", method: http.MethodGet, path: a.set(z, name, typ), out: &w})
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	all := []string{}
	for _, r := range w.Set.Records {
		all = append(all, r.Value)
	}
	return all, err
}

func (a *hetznerCloud) values(ctx context.Context, z zone, name, typ string) ([]string, error) {
	raw, err := a.raw(ctx, z, name, typ)
	if err != nil {
		return nil, err
	}
	return allFromAPI(typ, raw)
}

// change has the API add and remove. It looks again where another node was at the same
// set: what was to be done may be done, and only a new set is given a TTL.
func (a *hetznerCloud) change(ctx context.Context, z zone, c change) error {
	for try := 1; ; try++ {
		err := a.tryChange(ctx, z, c)
		switch status(err) {
		case http.StatusConflict, http.StatusUnprocessableEntity, http.StatusLocked, http.StatusNotFound:
			if try < attempts && sleep(ctx, a.pace<<try/2) {
				continue
			}
		}
		return err
	}
}

func (a *hetznerCloud) tryChange(ctx context.Context, z zone, c change) error {
	raw, err := a.raw(ctx, z, c.name, c.typ)
	if err != nil {
		return err
	}
	have, err := allFromAPI(c.typ, raw)
	if err != nil {
		return err
	}
	add, remove := []hetznerValue{}, []hetznerValue{}
	for _, v := range c.add {
		if !slices.Contains(have, v) {
			add = append(add, hetznerValue{toAPI(c.typ, v)})
		}
	}
	for i, v := range have {
		if slices.Contains(c.remove, v) {
			remove = append(remove, hetznerValue{raw[i]}) // as the API spells it
		}
	}
	body := map[string]any{"records": add}
	if raw == nil {
		body["ttl"] = c.seconds(z, time.Minute)
	}
	if err := a.act(ctx, "add records", a.set(z, c.name, c.typ, "actions", "add_records"), body, len(add)); err != nil {
		return err
	}
	return a.act(ctx, "remove records", a.set(z, c.name, c.typ, "actions", "remove_records"), map[string]any{"records": remove}, len(remove))
}

type hetznerAction struct {
	Action struct {
		ID     int64  `json:"id"`
		Status string `json:"status"`
		Error  *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"action"`
}

// act starts an action on n records and waits until it has come to an end.
func (a *hetznerCloud) act(ctx context.Context, op string, path []string, body any, n int) error {
	if n == 0 {
		return nil
	}
	var w hetznerAction
	if err := a.do(ctx, call{op: op, method: http.MethodPost, path: path, in: body, out: &w}); err != nil {
		return err
	}
	id := w.Action.ID
	for wait := a.pace / 2; ; wait = min(2*wait, 2*time.Second) {
		switch e := w.Action.Error; {
		case w.Action.Status == "success":
			return nil
		case e != nil:
			return fmt.Errorf("%s at %s: %s", op, a.provider, a.plain(fmt.Sprintf("%s (%s)", e.Message, e.Code)))
		case w.Action.Status != "running":
			return fmt.Errorf("%s at %s: action %d ended as %.40q", op, a.provider, id, w.Action.Status)
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("%s at %s: action %d is still running", op, a.provider, id)
		}
		w = hetznerAction{}
		err := a.do(ctx, call{
			op: op, method: http.MethodGet, path: []string{"actions", strconv.FormatInt(id, 10)}, out: &w,
		})
		if err != nil {
			return err
		}
	}
}

func allFromAPI(typ string, raw []string) ([]string, error) {
	var all []string
	for _, r := range raw {
		v, err := fromAPI(typ, r)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
