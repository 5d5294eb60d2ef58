package dns01_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// route53API is what the API reference of 2013-04-01 says of hosted zones and record
// sets. It checks signatures by what came over the wire.
func route53API(w *world, rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fail := func(status int, code, message string) {
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
	}
	if why := signatureFault(r, body, theToken); why != "" {
		fail(403, "SignatureDoesNotMatch", why)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/2013-04-01/")
	part := strings.Split(path, "/")
	q := r.URL.Query()
	const ns = `xmlns="https://route53.amazonaws.com/doc/2013-04-01/"`
	if part[0] == "hostedzonesbyname" {
		fmt.Fprintf(rw, `<?xml version="1.0"?><ListHostedZonesByNameResponse %s><HostedZones>`, ns)
		// The list goes on behind the name; and there is a private one of the same name.
		for i, z := range w.zones {
			if z+"." >= q.Get("dnsname") {
				fmt.Fprintf(rw, `<HostedZone><Id>/hostedzone/ZP%d</Id><Name>%s.</Name><Config><PrivateZone>true</PrivateZone></Config></HostedZone>`, i, z)
				fmt.Fprintf(rw, `<HostedZone><Id>/hostedzone/Z%d</Id><Name>%s.</Name><Config><PrivateZone>false</PrivateZone></Config></HostedZone>`, i, z)
			}
		}
		fmt.Fprint(rw, `</HostedZones><IsTruncated>false</IsTruncated></ListHostedZonesByNameResponse>`)
		return
	}
	if part[0] == "change" {
		fmt.Fprintf(rw, `<GetChangeResponse %s><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status></ChangeInfo></GetChangeResponse>`, ns)
		return
	}
	i, err := strconv.Atoi(strings.TrimPrefix(part[1], "Z"))
	if part[0] != "hostedzone" || err != nil || i >= len(w.zones) {
		fail(404, "NoSuchHostedZone", "No hosted zone found with ID: "+part[1])
		return
	}
	zone := w.zones[i]
	switch {
	case len(part) == 2:
		fmt.Fprintf(rw, `<GetHostedZoneResponse %s><HostedZone><Id>/hostedzone/Z%d</Id><Name>%s.</Name></HostedZone></GetHostedZoneResponse>`, ns, i, zone)
	case r.Method == "GET":
		fmt.Fprintf(rw, `<?xml version="1.0"?><ListResourceRecordSetsResponse %s><ResourceRecordSets>`, ns)
		name, typ := strings.TrimSuffix(q.Get("name"), "."), q.Get("type")
		values := w.valuesLocked(name, typ)
		if len(values) == 0 { // the list begins behind it
			name, typ, values = "zzz."+zone, "A", []string{"192.0.2.9"}
		}
		_ = xml.NewEncoder(rw).EncodeElement(awsSetOf(name, typ, 300, values), xml.StartElement{Name: xml.Name{Local: "ResourceRecordSet"}})
		fmt.Fprint(rw, `</ResourceRecordSets><IsTruncated>true</IsTruncated></ListResourceRecordSetsResponse>`)
	case r.Method == "POST":
		route53Change(w, rw, body, zone)
	}
}

type awsTestSet struct {
	Name    string
	Type    string
	TTL     int
	Records []string `xml:"ResourceRecords>ResourceRecord>Value"`
}

func awsSetOf(name, typ string, ttl int, values []string) any {
	type record struct{ Value string }
	set := struct {
		Name    string
		Type    string
		TTL     int
		Records []record `xml:"ResourceRecords>ResourceRecord"`
	}{Name: strings.ReplaceAll(name, "*", `\052`) + ".", Type: typ, TTL: ttl}
	for _, v := range values {
		set.Records = append(set.Records, record{hetznerQuote(typ, v)})
	}
	return set
}

func route53Change(w *world, rw http.ResponseWriter, body []byte, zone string) {
	var in struct {
		XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
		Changes []struct {
			Action string
			Set    awsTestSet `xml:"ResourceRecordSet"`
		} `xml:"ChangeBatch>Changes>Change"`
	}
	refuse := func(message string) {
		rw.WriteHeader(400)
		fmt.Fprintf(rw, `<?xml version="1.0"?><InvalidChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Messages><Message>%s</Message></Messages><RequestId>r</RequestId></InvalidChangeBatch>`, message)
	}
	if err := xml.Unmarshal(body, &in); err != nil || len(in.Changes) == 0 {
		refuse("malformed")
		return
	}
	before := slices.Clone(w.recs)
	for _, c := range in.Changes {
		name := strings.TrimSuffix(strings.ReplaceAll(c.Set.Name, `\052`, "*"), ".")
		var values []string
		for _, v := range c.Set.Records {
			if c.Set.Type == "TXT" {
				v, _ = strconv.Unquote(v)
			}
			values = append(values, v)
		}
		slices.Sort(values)
		have := w.valuesLocked(name, c.Set.Type)
		switch {
		case c.Action == "DELETE" && len(have) == 0:
			w.recs = before
			refuse("Tried to delete resource record set [name='" + name + "'] but it was not found")
			return
		case c.Action == "DELETE" && (!slices.Equal(have, values) || c.Set.TTL != 300):
			w.recs = before
			refuse("Tried to delete resource record set [name='" + name + "'] but the values provided do not match the current values")
			return
		case c.Action == "CREATE" && len(have) > 0:
			w.recs = before
			refuse("Tried to create resource record set [name='" + name + "'] but it already exists")
			return
		case c.Action == "DELETE":
			w.setLocked(name, c.Set.Type, 300, nil)
		default:
			w.setLocked(name, c.Set.Type, 300, values)
		}
	}
	fmt.Fprint(rw, `<ChangeResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status></ChangeInfo></ChangeResourceRecordSetsResponse>`)
}

// signatureFault checks a signature version 4 by the request line as it was sent, field
// by field as the header names them; "" if it is right.
func signatureFault(r *http.Request, body []byte, secret string) string {
	auth := r.Header.Get("Authorization")
	var credential, signed, signature string
	for p := range strings.SplitSeq(strings.TrimPrefix(auth, "AWS4-HMAC-SHA256 "), ", ") {
		name, value, _ := strings.Cut(p, "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			signed = value
		case "Signature":
			signature = value
		}
	}
	id, scope, _ := strings.Cut(credential, "/")
	if id != "AKIDEXAMPLE" {
		return "The security token included in the request is invalid"
	}
	if !strings.Contains(";"+signed+";", ";host;") || !strings.Contains(";"+signed+";", ";x-amz-date;") {
		return "host and x-amz-date must be signed"
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	pairs := strings.Split(query, "&")
	slices.Sort(pairs)
	sum := sha256.Sum256(body)
	var request strings.Builder
	fmt.Fprintf(&request, "%s\n%s\n%s\n", r.Method, strings.ReplaceAll(path, "%", "%25"), strings.Join(pairs, "&"))
	for name := range strings.SplitSeq(signed, ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&request, "%s:%s\n", name, value)
	}
	fmt.Fprintf(&request, "\n%s\n%x", signed, sum)
	hashed := sha256.Sum256([]byte(request.String()))
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", r.Header.Get("X-Amz-Date"), scope, hashed)
	key := []byte("AWS4" + secret)
	for step := range strings.SplitSeq(scope, "/") {
		key = mac(key, step)
	}
	key = mac(key, text)
	if hex.EncodeToString(key) != signature {
		return "The request signature we calculated does not match the signature you provided."
	}
	return ""
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
