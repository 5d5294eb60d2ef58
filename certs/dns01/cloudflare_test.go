package dns01_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// cloudflareAPI is what developers.cloudflare.com/api says of zones and dns_records.
func cloudflareAPI(w *world, rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+theToken {
		cloudflareError(rw, 403, 9109, "Invalid access token "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		return
	}
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/client/v4/"), "/")
	if r.Method == "GET" && len(part) == 1 && part[0] == "zones" {
		found := []any{}
		for i, z := range w.zones {
			if r.URL.Query().Get("name") == z {
				found = append(found, map[string]any{"id": fmt.Sprintf("zone%d", i), "name": z, "status": "active"})
			}
		}
		answer(rw, 200, map[string]any{"success": true, "errors": []any{}, "result": found,
			"result_info": map[string]int{"page": 1, "total_pages": 1, "count": len(found)}})
		return
	}
	i, err := strconv.Atoi(strings.TrimPrefix(part[1], "zone"))
	if err != nil || i >= len(w.zones) || len(part) < 3 || part[2] != "dns_records" {
		cloudflareError(rw, 404, 7003, "Could not route to "+r.URL.Path)
		return
	}
	zone := w.zones[i]
	switch {
	case r.Method == "GET":
		cloudflareList(w, rw, r, zone)
	case r.Method == "POST":
		cloudflareCreate(w, rw, r, zone)
	case r.Method == "DELETE" && len(part) == 4:
		if !w.drop(part[3], zone) {
			cloudflareError(rw, 404, 81044, "Record does not exist.")
			return
		}
		answer(rw, 200, map[string]any{"result": map[string]string{"id": part[3]}})
	}
}

func cloudflareError(rw http.ResponseWriter, status, code int, message string) {
	answer(rw, status, map[string]any{"success": false, "result": nil, "messages": []any{},
		"errors": []any{map[string]any{"code": code, "message": message}}})
}

func cloudflareList(w *world, rw http.ResponseWriter, r *http.Request, zone string) {
	q := r.URL.Query()
	all := []any{}
	for _, rec := range w.recs {
		if w.zoneOf(rec.name) == zone && q.Get("type") == rec.typ && q.Get("name") == rec.name {
			content := rec.value
			if rec.typ == "TXT" {
				content = strconv.Quote(content)
			}
			all = append(all, map[string]any{"id": strconv.Itoa(rec.id), "type": rec.typ, "name": rec.name, "content": content, "ttl": rec.ttl})
		}
	}
	page, pages, all := pageOf(q.Get("page"), 3, all)
	answer(rw, 200, map[string]any{"success": true, "result": all, "result_info": map[string]int{"page": page, "total_pages": pages}})
}

func cloudflareCreate(w *world, rw http.ResponseWriter, r *http.Request, zone string) {
	var in struct {
		Type, Name, Content string
		TTL                 int
		Data                *struct {
			Priority      int
			Target, Value string
		}
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || w.zoneOf(in.Name) != zone {
		cloudflareError(rw, 400, 9000, "DNS name is invalid.")
		return
	}
	value := in.Content
	switch {
	case in.TTL != 1 && in.TTL < 60:
		cloudflareError(rw, 400, 9021, "Invalid TTL. Must be between 60 and 86,400 seconds, or 1 for Automatic.")
		return
	case in.Type == "TXT":
		var err error
		if value, err = strconv.Unquote(in.Content); err != nil {
			cloudflareError(rw, 400, 9207, "Content must be quoted.")
			return
		}
	case in.Type == "HTTPS" && in.Data != nil:
		value = fmt.Sprintf("%d %s %s", in.Data.Priority, in.Data.Target, in.Data.Value)
	}
	if slices.Contains(w.valuesLocked(in.Name, in.Type), value) {
		cloudflareError(rw, 400, 81058, "An identical record already exists.")
		return
	}
	id := w.putLocked(in.Name, in.Type, value, in.TTL)
	answer(rw, 200, map[string]any{"success": true, "result": map[string]any{"id": strconv.Itoa(id)}})
}

// drop removes a record of a zone by its id.
func (w *world) drop(id, zone string) bool {
	n := len(w.recs)
	w.recs = slices.DeleteFunc(w.recs, func(r stored) bool {
		return strconv.Itoa(r.id) == id && w.zoneOf(r.name) == zone
	})
	return len(w.recs) < n
}

// pageOf is one page of a list, which pages there are, and the number of this one.
func pageOf(asked string, size int, all []any) (page, pages int, part []any) {
	page, _ = strconv.Atoi(asked)
	page = max(page, 1)
	pages = max(1, (len(all)+size-1)/size)
	from, to := min((page-1)*size, len(all)), min(page*size, len(all))
	return page, pages, all[from:to]
}

func answer(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body)
}
