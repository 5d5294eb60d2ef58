package dns01

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const route53Version = "2013-04-01"

func route53Kind() Kind {
	k := Kind{
		Name: "route53",
		Doc: "Public hosted zones at Amazon Route 53. Make an access key for a user that may " +
			"route53:ListHostedZonesByName, route53:GetHostedZone, route53:ListResourceRecordSets, " +
			"route53:ChangeResourceRecordSets and route53:GetChange.",
		Publishes: true,
		Settings: []Setting{
			{Name: "access_key", Doc: "the id of the access key", Required: true, Example: "AKIAIOSFODNN7EXAMPLE"},
			{Name: "secret_key", Doc: "the secret of the access key", Required: true, Secret: true},
			{Name: "session_token", Doc: "what comes with temporary credentials", Secret: true},
			{Name: "region", Doc: "what signatures are made for; other partitions have others", Default: "us-east-1"},
			{Name: "hosted_zone_id", Doc: "the zone, where several have the same name, or the key may not list zones"},
			{Name: "wait", Doc: "whether to wait until all of Route 53's servers know a change", Default: "no", Choices: []string{"no", "yes"}},
			{Name: "endpoint", Doc: "where the API is", Default: "https://route53.amazonaws.com"},
		},
	}
	k.open = func(s settings) (Provider, error) {
		base, err := endpoint(s, "endpoint", "")
		if err != nil {
			return nil, err
		}
		key := awsKey{s.get("access_key"), s.get("secret_key"), s.get("session_token"), s.get("region"), "route53"}
		c := newClient(k.Name, base, key.secret, key.session)
		c.form = format{"text/xml", xml.Marshal, xml.Unmarshal}
		c.sign = func(r *http.Request, body []byte) { key.sign(r, body, time.Now()) }
		c.message = route53Message
		id := strings.TrimPrefix(s.get("hosted_zone_id"), "/hostedzone/")
		return publisher{newProvider(k, &route53{client: c, id: id, wait: s.get("wait") == "yes"})}, nil
	}
	return k
}

// route53 changes sets of records in batches that say what is there before: a batch
// that is late is refused, so that nodes do not undo each other's changes.
type route53 struct {
	*client
	id   string // of the only zone, or ""
	wait bool
}

func route53Message(answer []byte) string {
	var w struct {
		Code     string   `xml:"Error>Code"`
		Message  string   `xml:"Error>Message"`
		Messages []string `xml:"Messages>Message"` // of InvalidChangeBatch
	}
	_ = xml.Unmarshal(answer, &w) // no message is what is left of nonsense
	all := w.Messages[:min(len(w.Messages), 5)]
	if w.Code != "" {
		all = append([]string{fmt.Sprintf("%s (%s)", w.Message, w.Code)}, all...)
	}
	return strings.Join(all, "; ")
}

type hostedZone struct {
	ID      string `xml:"Id"`
	Name    string `xml:"Name"`
	Private bool   `xml:"Config>PrivateZone"`
}

func (a *route53) zone(ctx context.Context, name string) (zone, error) {
	if a.id != "" {
		return a.only(ctx, name)
	}
	var w struct {
		Zones []hostedZone `xml:"HostedZones>HostedZone"`
	}
	err := a.do(ctx, call{
		op: "find zone", method: http.MethodGet, path: []string{route53Version, "hostedzonesbyname"}, out: &w,
		query: url.Values{"dnsname": {name + "."}, "maxitems": {"20"}},
	})
	if err != nil {
		return zone{}, err
	}
	var found []string
	for _, z := range w.Zones {
		if awsName(z.Name) == name && !z.Private {
			found = append(found, strings.TrimPrefix(z.ID, "/hostedzone/"))
		}
	}
	switch len(found) {
	case 0:
		return zone{}, ErrNoZone
	case 1:
		return zone{id: found[0], name: name}, nil
	}
	return zone{}, fmt.Errorf("find zone %s at route53: there are several (%s); choose by hosted_zone_id",
		name, strings.Join(found, ", "))
}

func (a *route53) only(ctx context.Context, name string) (zone, error) {
	var w struct {
		Zone hostedZone `xml:"HostedZone"`
	}
	err := a.do(ctx, call{
		op: "find zone", method: http.MethodGet, path: []string{route53Version, "hostedzone", a.id}, out: &w,
	})
	if err != nil {
		return zone{}, err
	}
	if awsName(w.Zone.Name) != name {
		return zone{}, ErrNoZone
	}
	return zone{id: a.id, name: name}, nil
}

type awsValue struct {
	Value string `xml:"Value"`
}

type awsSet struct {
	Name    string     `xml:"Name"`
	Type    string     `xml:"Type"`
	Routing string     `xml:"SetIdentifier,omitempty"`
	TTL     int        `xml:"TTL"`
	Records []awsValue `xml:"ResourceRecords>ResourceRecord"`
	Alias   *struct{}  `xml:"AliasTarget"`
}

type awsChange struct {
	Action string `xml:"Action"`
	Set    awsSet `xml:"ResourceRecordSet"`
}

type awsBatch struct {
	XMLName xml.Name    `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
	Changes []awsChange `xml:"ChangeBatch>Changes>Change"`
}

// read returns the set as it is, for a batch to delete; without records if there is
// none.
func (a *route53) read(ctx context.Context, z zone, name, typ string) (awsSet, error) {
	var w struct {
		Sets []awsSet `xml:"ResourceRecordSets>ResourceRecordSet"`
	}
	err := a.do(ctx, call{
		op: "read records", method: http.MethodGet, path: []string{route53Version, "hostedzone", z.id, "rrset"}, out: &w,
		query: url.Values{"name": {name + "."}, "type": {typ}, "maxitems": {"1"}},
	})
	// The answer begins with the set that was asked for, or with the next one.
	if err != nil || len(w.Sets) == 0 || awsName(w.Sets[0].Name) != name || w.Sets[0].Type != typ {
		return awsSet{}, err
	}
	if w.Sets[0].Routing != "" || w.Sets[0].Alias != nil {
		return awsSet{}, fmt.Errorf("read records of %s at route53: %s is routed by a policy or an alias: not touched", name, typ)
	}
	return w.Sets[0], nil
}

func (s awsSet) values() ([]string, error) {
	var raw []string
	for _, r := range s.Records {
		raw = append(raw, r.Value)
	}
	return allFromAPI(s.Type, raw)
}

func (a *route53) values(ctx context.Context, z zone, name, typ string) ([]string, error) {
	set, err := a.read(ctx, z, name, typ)
	if err != nil {
		return nil, err
	}
	return set.values()
}

func (a *route53) change(ctx context.Context, z zone, c change) error {
	for try := 1; ; try++ {
		old, err := a.read(ctx, z, c.name, c.typ)
		if err != nil {
			return err
		}
		have, err := old.values()
		if err != nil {
			return err
		}
		want, differs := c.apply(have)
		if !differs {
			return nil
		}
		err = a.swap(ctx, z, c, old, want)
		// Somebody else changed the set, or an earlier batch is being applied.
		if e, ok := errors.AsType[*APIError](err); !ok || e.Status != http.StatusBadRequest || try == 10 || !late(e.Message) {
			return err
		}
		// By chance, or nodes would go on meeting.
		if !sleep(ctx, rand.N(a.pace<<min(try, 5)/2)) {
			return err
		}
	}
}

// late reports whether a batch was refused because of another one. The two messages
// about sets are those of Route 53: "Tried to create resource record set [name='…',
// type='TXT'] but it already exists", "Tried to delete … but it was not found" or "but
// the values provided do not match the current values".
func late(message string) bool {
	return slices.ContainsFunc([]string{
		"already exists", "was not found", "do not match the current values", "PriorRequestNotComplete", "Throttling",
	}, func(s string) bool { return strings.Contains(message, s) })
}

func (a *route53) swap(ctx context.Context, z zone, c change, old awsSet, values []string) error {
	var batch awsBatch
	set := awsSet{Name: c.name + ".", Type: c.typ, TTL: c.seconds(z, time.Second)}
	if len(old.Records) > 0 {
		batch.Changes = append(batch.Changes, awsChange{"DELETE", old})
	}
	for _, v := range values {
		set.Records = append(set.Records, awsValue{toAPI(c.typ, v)})
	}
	if len(values) > 0 {
		batch.Changes = append(batch.Changes, awsChange{"CREATE", set})
	}
	var w awsInfo
	err := a.do(ctx, call{
		op: "change records", method: http.MethodPost, path: []string{route53Version, "hostedzone", z.id, "rrset", ""},
		in: batch, out: &w, again: true, // the second time it is late
	})
	if err != nil || !a.wait {
		return err
	}
	return a.inSync(ctx, w)
}

type awsInfo struct {
	ID     string `xml:"ChangeInfo>Id"`
	Status string `xml:"ChangeInfo>Status"`
}

func (a *route53) inSync(ctx context.Context, w awsInfo) error {
	id := strings.TrimPrefix(w.ID, "/change/")
	for wait := a.pace; w.Status != "INSYNC"; wait = min(2*wait, 5*time.Second) {
		if !sleep(ctx, wait) {
			return fmt.Errorf("wait for change at route53: %s is %.40q", id, w.Status)
		}
		err := a.do(ctx, call{
			op: "wait for change", method: http.MethodGet, path: []string{route53Version, "change", id}, out: &w,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// awsName cleans a name as Route 53 has it: with a dot at the end, and \052 for a star.
func awsName(name string) string {
	return strings.ToLower(strings.TrimSuffix(strings.ReplaceAll(name, `\052`, "*"), "."))
}
