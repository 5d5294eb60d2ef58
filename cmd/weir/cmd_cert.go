package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

type certCmd struct {
	Ls     certLsCmd     `cmd:"" help:"List certificates: until when they are good, and what stands in the way."`
	Show   certShowCmd   `cmd:"" help:"Print all that is known of one certificate."`
	Renew  certRenewCmd  `cmd:"" help:"Have certificates obtained now, and wait for that."`
	Revoke certRevokeCmd `cmd:"" help:"Take a certificate back, and have another one obtained."`
	Export certExportCmd `cmd:"" help:"Write a certificate and its key to files."`
	Import certImportCmd `cmd:"" help:"Take over certificates: of files, of certbot, of Caddy."`
	Check  certCheckCmd  `cmd:"" help:"Look for damaged certificates in the store: exit code 0 or 1."`
	Ech    certEchCmd    `cmd:"" help:"Print the DNS records that Encrypted Client Hello needs."`
}

type certLsCmd struct {
	adminFlag
	Name string `arg:"" optional:"" help:"Only names like this one: example.com, '*.example.com', 'shop-*'. A * stands for anything."`
	Sort string `default:"name" enum:"name,expiry" help:"Order: name, or expiry (what ends first)."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is what `weir cert ls --help` adds.
func (*certLsCmd) Help() string {
	return `It reads the store that the configuration names, whether weir runs or not; what only a running weir knows is added if it answers.

States: ok; renewing, it is being obtained; due, to be renewed; expiring, a tenth of its life is left; expired; failing, the last attempt failed; none.`
}

func (cmd *certLsCmd) Run(a *app) error {
	if _, err := path.Match(cmd.Name, ""); err != nil {
		return fmt.Errorf("%s: %w", cmd.Name, err)
	}
	v, err := takeInventory(cmd.adminFlag, a)
	if err != nil {
		return err
	}
	v.admit(a)
	rows := v.sorted(cmd.Sort, cmd.Name)
	if cmd.JSON {
		return printJSON(a.stdout, rows)
	}
	if len(rows) == 0 {
		if cmd.Name != "" {
			return fmt.Errorf("no certificate, and no site, is named like %s", cmd.Name)
		}
		_, err := fmt.Fprintln(a.stdout, "no certificates")
		return err
	}
	return printRows(a.stdout, rows, v.now, isTerminal(a.stdout))
}

// admit says that the store could not be read.
func (v *inventory) admit(a *app) {
	if v.blind != nil {
		fmt.Fprintln(a.stderr, "weir: this is what the running weir knows; the store:", oneLine(v.blind.Error()))
	}
	if v.elsewhere != "" {
		fmt.Fprintln(a.stderr, "weir: this is what the running weir knows;", v.elsewhere)
	}
}

// sorted are the rows whose names match pattern, or all of them if it is empty.
func (v *inventory) sorted(by, pattern string) []*certRow {
	pattern = strings.ToLower(pattern)
	rows := []*certRow{}
	for _, r := range slices.SortedFunc(maps.Values(v.rows), compareRows) {
		like, _ := path.Match(strings.ReplaceAll(pattern, "/", ""), r.Name)
		if pattern == "" || like || r.Name == pattern {
			rows = append(rows, r)
		}
	}
	if by == "expiry" {
		slices.SortStableFunc(rows, func(a, b *certRow) int {
			return cmp.Or(cmp.Compare(urgency(a), urgency(b)), a.NotAfter.Compare(b.NotAfter))
		})
	}
	return rows
}

// urgency puts what is missing before what ends, and last what never does.
func urgency(r *certRow) int {
	switch {
	case r.From == "internal":
		return 2
	case r.NotAfter.IsZero():
		return 0
	}
	return 1
}

func printRows(out io.Writer, rows []*certRow, now time.Time, colour bool) error {
	t := new(table)
	if colour {
		t.paint = paintState
	}
	t.row("NAME", "STATE", "ISSUER", "UNTIL", "RENEWS", "NEXT/WHY")
	for _, r := range rows {
		t.row(r.Name, r.State, cmp.Or(r.Issuer, "-"), dated(r.NotAfter, now), renewsText(r, now), r.Why)
	}
	return t.print(out, widthOf(out))
}

func renewsText(r *certRow, now time.Time) string {
	switch {
	case r.From != "acme" || r.RenewAt.IsZero():
		return "-"
	case !now.Before(r.RenewAt):
		return "now"
	}
	return whenText(r.RenewAt, now)
}

// paintState colours what needs attention.
func paintState(column int, cell string) string {
	const red, yellow, green = "31", "33", "32"
	colours := map[string]string{
		"ok": green, "renewing": green, "due": yellow, "none": yellow,
		"expiring": red, "expired": red, "failing": red,
	}
	if c := colours[cell]; column == 1 && c != "" {
		return "\x1b[" + c + "m" + cell + "\x1b[0m"
	}
	return cell
}
