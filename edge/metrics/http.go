package metrics

import "strconv"

// httpFamilies are the metrics of exchanges.
func httpFamilies(g *Registry) []family {
	return []family{
		{Metric{"weir_http_requests_total", "Requests answered. Site is empty for what reached none.", Counter, []string{"site", "method", "status", "proto"}}, g.eachSite(writeRequests)},
		{Metric{"weir_http_request_duration_seconds", "Time from a request's head to the end of its response.", histogram, []string{"site"}}, g.eachSite(writeDurations)},
		{Metric{"weir_http_request_body_bytes_total", "Bytes of request bodies read from clients.", Counter, []string{"site"}}, g.eachSite(func(t *text, s *site, c *counts) {
			sample(t, "weir_http_request_body_bytes_total", s, uint64(c.received.Load()))
		})},
		{Metric{"weir_http_response_body_bytes_total", "Bytes of response bodies sent to clients.", Counter, []string{"site"}}, g.eachSite(func(t *text, s *site, c *counts) {
			sample(t, "weir_http_response_body_bytes_total", s, uint64(c.sent.Load()))
		})},
		{Metric{"weir_http_errors_total", "Requests that ended with an error, by whose fault it was.", Counter, []string{"site", "fault"}}, g.eachSite(writeErrors)},
		{Metric{"weir_http_rejected_total", "Requests refused before any site took them: malformed, over a limit, for no site of ours.", Counter, []string{"status"}}, g.writeRejected},
	}
}

// eachSite returns what writes the samples of all sites that have any.
func (g *Registry) eachSite(write func(*text, *site, *counts)) func(*text) {
	return func(t *text) {
		if c := g.nameless.made.Load(); c != nil {
			write(t, g.nameless, c)
		}
		for _, s := range g.sites.Load().sorted {
			if c := s.made.Load(); c != nil {
				write(t, s, c)
			}
		}
	}
}

func sample(t *text, name string, s *site, v uint64) {
	t.begin(name)
	t.label("site", s.name)
	t.uint(v)
}

func writeRequests(t *text, s *site, c *counts) {
	for p := range c.requests {
		block := c.requests[p].Load()
		if block == nil {
			continue
		}
		for m := range block {
			for class := range block[m] {
				v := block[m][class].Load()
				if v == 0 {
					continue
				}
				t.begin("weir_http_requests_total")
				t.label("site", s.name)
				t.label("method", methods[m])
				t.label("status", classes[class])
				t.label("proto", protocols[p])
				t.uint(v)
			}
		}
	}
}

func writeDurations(t *text, s *site, c *counts) {
	const name = "weir_http_request_duration_seconds"
	var total uint64
	for i := range c.took {
		total += c.took[i].Load()
		t.begin(name + "_bucket")
		t.label("site", s.name)
		if i < len(bounds) {
			t.label("le", strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64))
		} else {
			t.label("le", "+Inf")
		}
		t.uint(total)
	}
	t.begin(name + "_sum")
	t.label("site", s.name)
	t.float(float64(c.tookSum.Load()) / 1e9)
	sample(t, name+"_count", s, total)
}

func writeErrors(t *text, s *site, c *counts) {
	for i := range c.errors {
		if v := c.errors[i].Load(); v > 0 {
			t.begin("weir_http_errors_total")
			t.label("site", s.name)
			t.label("fault", faults[i])
			t.uint(v)
		}
	}
}

func (g *Registry) writeRejected(t *text) {
	for i := range g.rejected {
		if v := g.rejected[i].Load(); v > 0 {
			t.begin("weir_http_rejected_total")
			t.label("status", strconv.Itoa(400+i))
			t.uint(v)
		}
	}
}
