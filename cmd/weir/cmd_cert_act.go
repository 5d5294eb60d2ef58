package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
)

type certRenewCmd struct {
	adminFlag
	Names []string `arg:"" optional:"" name:"name" help:"The names, as ls prints them."`
	All   bool     `help:"All names that the running weir knows."`
	Force bool     `short:"f" help:"Also where nothing is due yet. Authorities count this: Let's Encrypt gives five certificates for the same names a week."`
	JSON  bool     `name:"json" help:"Print JSON."`
}

// outcome is what became of one name.
type outcome struct {
	Name     string         `json:"name"`
	Done     bool           `json:"done"`
	NotAfter time.Time      `json:"not_after,omitzero"`
	Why      string         `json:"why,omitempty"` // why not
	Failed   *certs.Failure `json:"failed,omitempty"`
}

func (cmd *certRenewCmd) Run(a *app) error {
	if len(cmd.Names) == 0 && !cmd.All {
		fmt.Fprintln(a.stderr, "weir cert renew: name certificates, or --all")
		return exitError(exitUsage)
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	statuses, err := client.statuses()
	if err != nil {
		return err
	}
	names := cmd.Names
	if cmd.All {
		names = nil
		for _, s := range statuses {
			names = append(names, s.Name)
		}
	}
	failed, all := false, []outcome{}
	for _, name := range names {
		name = normalName(name)
		i := slices.IndexFunc(statuses, func(s certs.Status) bool { return s.Name == name })
		o := outcome{Name: name}
		if i < 0 {
			o.Why = "no site has that name, or it has its certificate from elsewhere"
			if _, rest, ok := strings.Cut(name, "."); ok && slices.ContainsFunc(statuses, func(s certs.Status) bool { return s.Name == "*."+rest }) {
				o.Why = "the certificate of *." + rest + " covers it: renew that one"
			}
		} else {
			o = cmd.renew(client, &statuses[i])
		}
		failed = failed || !o.Done && o.Why != ""
		all = append(all, o)
		if !cmd.JSON {
			cmd.say(a, &o)
		}
	}
	if cmd.JSON {
		err = printJSON(a.stdout, all)
	}
	if failed && err == nil {
		err = exitError(exitFailed)
	}
	return err
}

// renew has one certificate renewed. Nothing being due is neither done nor a failure.
func (cmd *certRenewCmd) renew(client adminClient, s *certs.Status) outcome {
	o := outcome{Name: s.Name, NotAfter: s.NotAfter}
	now := time.Now()
	if !cmd.Force && s.Failed == nil && !s.NotAfter.IsZero() && now.Before(s.RenewAt) {
		return o
	}
	if _, err := client.do("POST", "/certificates/renew?"+url.Values{"name": {s.Name}}.Encode()); err != nil {
		o.Why = err.Error()
	}
	if after, err := client.status(s.Name); err == nil {
		o.NotAfter, o.Failed = after.NotAfter, after.Failed
		o.Done = o.Why == ""
	}
	return o
}

func (cmd *certRenewCmd) say(a *app, o *outcome) {
	now := time.Now()
	switch {
	case o.Done:
		fmt.Fprintf(a.stdout, "%s: renewed, until %s\n", o.Name, dated(o.NotAfter, now))
	case o.Why == "":
		fmt.Fprintf(a.stdout, "%s: nothing is due, until %s; --force renews it all the same\n", o.Name, dated(o.NotAfter, now))
	case o.Failed != nil:
		fmt.Fprintf(a.stderr, "%s: not renewed\n", o.Name)
		t := &table{whole: true}
		f := certFacts{certRow: certRow{Failed: o.Failed}}
		f.printFailure(func(what, fact string) {
			if fact != "" {
				t.row("  "+strings.TrimSpace(what), fact)
			}
		}, now)
		_ = t.print(a.stderr, widthOf(a.stderr))
	default:
		fmt.Fprintf(a.stderr, "%s: %s\n", printable(o.Name), printable(o.Why))
	}
}

// statuses asks the running weir what it knows of all names.
func (c adminClient) statuses() ([]certs.Status, error) { return c.certificates("/certificates") }

// status asks the running weir what it knows of one name.
func (c adminClient) status(name string) (certs.Status, error) {
	all, err := c.certificates("/certificates?" + url.Values{"name": {name}}.Encode())
	if err == nil && len(all) != 1 {
		err = errors.New("the running weir knows nothing of it")
	}
	if err != nil {
		return certs.Status{}, err
	}
	return all[0], nil
}

func (c adminClient) certificates(path string) (all []certs.Status, err error) {
	err = c.get(path, &all)
	return all, err
}

type certRevokeCmd struct {
	adminFlag
	Name   string `arg:"" help:"The name, as ls prints it."`
	Reason string `default:"unspecified" enum:"unspecified,keyCompromise,affiliationChanged,superseded,cessationOfOperation,privilegeWithdrawn" help:"Why: keyCompromise, superseded, cessationOfOperation or unspecified; some authorities take affiliationChanged and privilegeWithdrawn, too."`
	Yes    bool   `short:"y" help:"Do not ask whether that is meant."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// reasonCodes are the numbers of RFC 5280 §5.3.1.
func reasonCode(reason string) int {
	return map[string]int{
		"keyCompromise": 1, "affiliationChanged": 3, "superseded": 4, "cessationOfOperation": 5, "privilegeWithdrawn": 9,
	}[reason]
}

func (cmd *certRevokeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	name := normalName(cmd.Name)
	s, err := client.status(name)
	if err != nil {
		return err
	}
	if s.NotAfter.IsZero() {
		return fmt.Errorf("revoke %s: there is no certificate of that name", name)
	}
	if c, err := cmd.load(a); err == nil {
		s.Issuer = issuerName(caNamesOf(c), s.Issuer)
	}
	if !cmd.Yes && !cmd.sure(a, &s) {
		return exitError(exitFailed)
	}
	text, err := client.do("POST", "/certificates/revoke?"+url.Values{"name": {name}, "reason": {strconv.Itoa(reasonCode(cmd.Reason))}}.Encode())
	if err != nil {
		return err
	}
	if cmd.JSON {
		o := outcome{Name: name, Done: true}
		if after, err := client.status(name); err == nil {
			o.NotAfter = after.NotAfter
		}
		return printJSON(a.stdout, o)
	}
	_, err = fmt.Fprint(a.stdout, printable(text))
	return err
}

// sure asks a person. Where nobody answers, the answer is no.
func (cmd *certRevokeCmd) sure(a *app, s *certs.Status) bool {
	fmt.Fprintf(a.stderr, "Revoke the certificate %s of %s (serial %s, until %s)?\nIt cannot be taken back; another one is obtained at once. Type yes: ", s.Name, printable(s.Issuer), printable(s.Serial), dated(s.NotAfter, time.Now()))
	line, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if strings.TrimSpace(line) == "yes" {
		return true
	}
	fmt.Fprintln(a.stderr, "\nweir cert revoke: nothing was done; --yes does it without asking")
	return false
}
