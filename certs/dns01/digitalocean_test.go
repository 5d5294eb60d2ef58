package dns01_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// digitalOceanAPI is what docs.digitalocean.com says of domains and domain records.
func digitalOceanAPI(w *world, rw http.ResponseWriter, r *http.Request) {
	fail := func(status int, id, message string) {
		answer(rw, status, map[string]string{"id": id, "message": message, "request_id": "4851a473"})
	}
	if r.Header.Get("Authorization") != "Bearer "+theToken {
		fail(401, "unauthorized", "Unable to authenticate you with "+r.Header.Get("Authorization"))
		return
	}
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/domains/"), "/")
	zone := part[0]
	if !slices.Contains(w.zones, zone) {
		fail(404, "not_found", "The resource you were accessing could not be found.")
		return
	}
	switch {
	case len(part) == 1 && r.Method == "GET":
		answer(rw, 200, map[string]any{"domain": map[string]any{"name": zone, "ttl": 1800, "zone_file": "..."}})
	case len(part) == 2 && r.Method == "GET":
		q := r.URL.Query()
		all := []any{}
		for _, rec := range w.recs {
			if w.zoneOf(rec.name) == zone && q.Get("type") == rec.typ && q.Get("name") == rec.name {
				all = append(all, map[string]any{"id": rec.id, "type": rec.typ, "name": short(rec.name, zone, "@"), "data": rec.value, "ttl": rec.ttl, "priority": nil})
			}
		}
		page, pages, all := pageOf(q.Get("page"), 2, all)
		links := map[string]any{}
		if page < pages {
			links["pages"] = map[string]string{"next": "https://elsewhere.example/steal?page=" + strconv.Itoa(page+1)}
		}
		answer(rw, 200, map[string]any{"domain_records": all, "links": links, "meta": map[string]int{"total": len(all)}})
	case len(part) == 2 && r.Method == "POST":
		var in struct {
			Type, Name, Data string
			TTL              int
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.TTL < 30 || in.Type != "TXT" {
			fail(422, "unprocessable_entity", "Record is invalid.")
			return
		}
		id := w.putLocked(long(in.Name, zone), in.Type, in.Data, in.TTL)
		answer(rw, 201, map[string]any{"domain_record": map[string]any{"id": id}})
	case len(part) == 3 && r.Method == "DELETE":
		if !w.drop(part[2], zone) {
			fail(404, "not_found", "The resource you were accessing could not be found.")
			return
		}
		rw.WriteHeader(204)
	}
}
