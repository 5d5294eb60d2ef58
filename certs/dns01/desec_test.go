package dns01_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// desecAPI is what desec.readthedocs.io says of domains and RRsets.
func desecAPI(w *world, rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Token "+theToken {
		answer(rw, 401, map[string]string{"detail": "Invalid token. " + r.Header.Get("Authorization")})
		return
	}
	path, slash := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/domains/"), "/")
	part := strings.Split(path, "/")
	if !slash || !slices.Contains(w.zones, part[0]) {
		answer(rw, 404, map[string]string{"detail": "Not found."})
		return
	}
	zone := part[0]
	if len(part) == 1 {
		answer(rw, 200, map[string]any{"name": zone, "minimum_ttl": 3600, "touched": "2026-01-01T00:00:00Z"})
		return
	}
	var in struct {
		Subname *string
		Type    string
		TTL     int
		Records []string
	}
	if r.Method != "GET" && json.NewDecoder(r.Body).Decode(&in) != nil {
		answer(rw, 400, map[string]string{"detail": "JSON parse error"})
		return
	}
	if r.Method == "POST" && len(part) == 2 && in.Subname != nil && *in.Subname != "@" {
		name := long(*in.Subname, zone)
		if len(w.valuesLocked(name, in.Type)) > 0 {
			answer(rw, 400, map[string]any{"non_field_errors": []string{"Another RRset with the same subdomain and type exists for this domain."}})
			return
		}
		desecWrite(w, rw, name, in.Type, in.TTL, in.Records, 201)
		return
	}
	if len(part) != 4 {
		answer(rw, 404, map[string]string{"detail": "Not found."})
		return
	}
	name, typ := long(part[2], zone), part[3]
	have := w.valuesLocked(name, typ)
	switch {
	case len(have) == 0:
		answer(rw, 404, map[string]string{"detail": "Not found."})
	case r.Method == "GET":
		records := []string{}
		for _, v := range have {
			records = append(records, hetznerQuote(typ, v))
		}
		answer(rw, 200, map[string]any{"subname": short(name, zone, ""), "type": typ, "ttl": 3600, "records": records})
	case r.Method == "PATCH":
		desecWrite(w, rw, name, typ, in.TTL, in.Records, 200)
	}
}

func desecWrite(w *world, rw http.ResponseWriter, name, typ string, ttl int, records []string, status int) {
	if ttl < 3600 {
		answer(rw, 400, map[string]any{"ttl": []string{"Ensure this value is greater than or equal to 3600."}})
		return
	}
	var values []string
	for _, v := range records {
		if typ == "TXT" {
			var err error
			if v, err = strconv.Unquote(v); err != nil {
				answer(rw, 400, map[string]any{"records": []string{"Cannot parse record contents: Data for TXT records must be given using quotation marks."}})
				return
			}
		}
		values = append(values, v)
	}
	w.setLocked(name, typ, ttl, values)
	if len(values) == 0 {
		rw.WriteHeader(204)
		return
	}
	answer(rw, status, map[string]any{"name": name + ".", "type": typ, "ttl": ttl, "records": records})
}
