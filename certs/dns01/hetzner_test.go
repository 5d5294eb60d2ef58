package dns01_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// hetznerClassicAPI is what dns.hetzner.com/api-docs says of zones and records.
func hetznerClassicAPI(w *world, rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Auth-API-Token") != theToken {
		answer(rw, 401, map[string]string{"message": "Invalid authentication credentials " + r.Header.Get("Auth-API-Token")})
		return
	}
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	q := r.URL.Query()
	switch {
	case r.Method == "GET" && part[0] == "zones":
		i := slices.Index(w.zones, q.Get("name"))
		if i < 0 {
			answer(rw, 404, map[string]any{"zones": []any{}, "error": map[string]any{"message": "zone not found", "code": 404}})
			return
		}
		answer(rw, 200, map[string]any{"zones": []any{map[string]any{"id": fmt.Sprint("Z", i), "name": w.zones[i]}}})
	case r.Method == "GET" && part[0] == "records":
		zone := hetznerZone(w, q.Get("zone_id"))
		all := []any{}
		for _, rec := range w.recs {
			if zone != "" && w.zoneOf(rec.name) == zone {
				all = append(all, map[string]any{"id": strconv.Itoa(rec.id), "type": rec.typ, "name": short(rec.name, zone, "@"), "value": rec.value, "zone_id": q.Get("zone_id")})
			}
		}
		page, pages, all := pageOf(q.Get("page"), 2, all)
		answer(rw, 200, map[string]any{"records": all, "meta": map[string]any{"pagination": map[string]int{"page": page, "per_page": 2, "last_page": pages}}})
	case r.Method == "POST" && part[0] == "records":
		var in struct {
			Zone              string `json:"zone_id"`
			Type, Name, Value string
			TTL               int
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || hetznerZone(w, in.Zone) == "" || in.Type != "TXT" {
			answer(rw, 422, map[string]any{"error": map[string]any{"message": "invalid record", "code": 422}})
			return
		}
		id := w.putLocked(long(in.Name, hetznerZone(w, in.Zone)), in.Type, in.Value, in.TTL)
		answer(rw, 200, map[string]any{"record": map[string]any{"id": strconv.Itoa(id)}})
	case r.Method == "DELETE" && part[0] == "records":
		if !w.drop(part[1], "example.com") && !w.drop(part[1], "deep.example.org") {
			answer(rw, 404, map[string]any{"error": map[string]any{"message": "record not found", "code": 404}})
			return
		}
		answer(rw, 200, map[string]any{})
	}
}

func hetznerZone(w *world, id string) string {
	i, err := strconv.Atoi(strings.TrimPrefix(id, "Z"))
	if err != nil || i >= len(w.zones) {
		return ""
	}
	return w.zones[i]
}

// hetznerCloudAPI is what docs.hetzner.cloud says of zones, RRSets and their actions.
// Actions run for two questions long.
func hetznerCloudAPI() func(w *world, rw http.ResponseWriter, r *http.Request) {
	running := map[string]int{}
	return func(w *world, rw http.ResponseWriter, r *http.Request) {
		fail := func(status int, code, message string) {
			answer(rw, status, map[string]any{"error": map[string]any{"code": code, "message": message, "details": map[string]any{}}})
		}
		if r.Header.Get("Authorization") != "Bearer "+theToken {
			fail(401, "unauthorized", "unable to authenticate "+r.Header.Get("Authorization"))
			return
		}
		part := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
		if part[0] == "actions" {
			status := "success"
			if running[part[1]]--; running[part[1]] > 0 {
				status = "running"
			}
			id, _ := strconv.Atoi(part[1])
			answer(rw, 200, map[string]any{"action": map[string]any{"id": id, "status": status, "error": nil}})
			return
		}
		zone := ""
		for i, z := range w.zones {
			if part[1] == z || part[1] == strconv.Itoa(i+7) {
				zone, part[1] = z, strconv.Itoa(i+7)
			}
		}
		if zone == "" {
			fail(404, "not_found", "zone not found")
			return
		}
		id, _ := strconv.Atoi(part[1])
		if len(part) == 2 {
			answer(rw, 200, map[string]any{"zone": map[string]any{"id": id, "name": zone, "mode": "primary"}})
			return
		}
		name, typ := long(part[3], zone), part[4]
		have := w.valuesLocked(name, typ)
		if r.Method == "GET" {
			if len(have) == 0 {
				fail(404, "not_found", "rrset not found")
				return
			}
			records := []any{}
			for _, v := range have {
				records = append(records, map[string]string{"value": hetznerQuote(typ, v), "comment": ""})
			}
			answer(rw, 200, map[string]any{"rrset": map[string]any{"id": part[3] + "/" + typ, "name": part[3], "type": typ, "ttl": 3600, "records": records}})
			return
		}
		var in struct {
			Records []struct{ Value string }
			TTL     *int
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || len(in.Records) == 0 || in.TTL != nil && (*in.TTL < 60 || len(have) > 0) {
			fail(422, "invalid_input", "invalid input in field 'records'")
			return
		}
		for _, rec := range in.Records {
			v := rec.Value
			if typ == "TXT" {
				var err error
				if v, err = strconv.Unquote(v); err != nil {
					fail(422, "invalid_input", "TXT records must be fully quoted with double quotes")
					return
				}
			}
			if at := slices.Index(have, v); part[6] == "add_records" == (at >= 0) {
				fail(422, "invalid_input", "record value twice, or not there")
				return
			} else if at >= 0 {
				have = slices.Delete(have, at, at+1)
			} else {
				have = append(have, v)
			}
		}
		w.setLocked(name, typ, 3600, have)
		w.last++
		running[strconv.Itoa(w.last)] = 2
		answer(rw, 201, map[string]any{"action": map[string]any{"id": w.last, "status": "running", "progress": 0, "error": nil}})
	}
}

func hetznerQuote(typ, v string) string {
	if typ == "TXT" {
		return strconv.Quote(v)
	}
	return v
}
