package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
)

type certEchCmd struct {
	adminFlag
	JSON bool `name:"json" help:"Print JSON."`
}

// echJSON is what GET /ech says.
type echJSON struct {
	PublicName string          `json:"public_name,omitempty"` // "": it is off
	Keys       int             `json:"keys"`
	Records    []echRecordJSON `json:"records"`
}

// echRecordJSON is the HTTPS record of one name.
type echRecordJSON struct {
	Name      string `json:"name"`
	Record    string `json:"record"`              // as zone files have it
	Published bool   `json:"published,omitempty"` // weir writes it itself
}

func (cmd *certEchCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	var e echJSON
	if err := client.get("/ech", &e); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, e)
	}
	switch {
	case e.PublicName == "":
		return hinted{fmt.Errorf("encrypted client hello is off"), "switch it on with tls: {ech: {public_name: NAME}}, a name with a certificate that all may see"}
	case e.Keys == 0:
		return fmt.Errorf("there are no keys yet: the store does not answer")
	case len(e.Records) == 0:
		return fmt.Errorf("no site is served over TLS beside %s", e.PublicName)
	}
	own := 0
	for _, r := range e.Records {
		if r.Published {
			own++
			continue
		}
		fmt.Fprintln(a.stdout, printable(r.Record))
	}
	if n := len(e.Records) - own; n > 0 {
		fmt.Fprintf(a.stderr, "\nPut %s into the zone, in place of other HTTPS records of the same name. Clients that see one\nhide the name they ask for behind %s. Keys change once a month and old ones are taken for three:\nlook again then.\n", count(n, "record"), printable(e.PublicName))
	}
	if own > 0 {
		fmt.Fprintf(a.stderr, "weir writes %s itself, through its DNS provider.\n", count(own, "record"))
	}
	return nil
}

// ech serves GET /ech.
func (a *admin) ech(w http.ResponseWriter, _ *http.Request) {
	c, keys := a.process.conf.Load(), a.process.world.certs
	answer := echJSON{Records: []echRecordJSON{}}
	if view := keys.view(); view.ech != nil && c.TLS.ECH != nil {
		answer.PublicName, answer.Keys = c.TLS.ECH.PublicName.Text, view.ech.Status().Keys
		protocols, port := echTarget(c)
		for _, name := range echNames(c) {
			answer.Records = append(answer.Records, echRecordJSON{
				Name: name, Record: view.ech.HTTPSRecord(name, protocols, port).String(),
				Published: slices.ContainsFunc(view.publications, func(p publication) bool { return p.name == name }),
			})
		}
	}
	writeJSON(w, answer)
}

// echTarget is what is spoken at the first port for HTTPS.
func echTarget(c *config.Config) (protocols []string, port uint16) {
	protocols = echProtocols
	if !c.Listen.HTTPS[0].HTTP3 {
		protocols = []string{"h2"}
	}
	_, text, _ := net.SplitHostPort(c.Listen.HTTPS[0].Address)
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		n = 443
	}
	return protocols, uint16(n)
}

// echNames are the names that clients ask for and need not show, in order.
func echNames(c *config.Config) (all []string) {
	for _, s := range c.Sites {
		if !s.Enabled {
			continue
		}
		for _, h := range s.Hosts {
			if k := kindOf(s, h.Name); k != noTLS && h.Name != "default" && h.Name != c.TLS.ECH.PublicName.Text && strings.Contains(h.Name, ".") && !strings.Contains(h.Name, ":") {
				all = append(all, h.Name)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(strings.Compare(strings.TrimPrefix(a, "*."), strings.TrimPrefix(b, "*.")), strings.Compare(a, b))
	})
	return slices.Compact(all)
}
