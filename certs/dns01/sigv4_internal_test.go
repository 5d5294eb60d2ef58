package dns01

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The keys and signatures are those that AWS publishes with its test suite for signature
// version 4, and in the example of its documentation.
func TestSign_MatchesPublishedVectors(t *testing.T) {
	t.Parallel()
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	for _, c := range []struct {
		name, method, url, service, session, mime, body, want string
	}{
		{name: "get-vanilla", method: "GET", url: "https://example.amazonaws.com/", service: "service",
			want: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{name: "get-vanilla-query-order-key-case", method: "GET", service: "service",
			url:  "https://example.amazonaws.com/?Param2=value2&Param1=value1",
			want: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{name: "post-vanilla", method: "POST", url: "https://example.amazonaws.com/", service: "service",
			want: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{name: "post-x-www-form-urlencoded", method: "POST", url: "https://example.amazonaws.com/", service: "service",
			mime: "application/x-www-form-urlencoded", body: "Param1=value1",
			want: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{name: "get-vanilla-query-unreserved", method: "GET", service: "service",
			url: "https://example.amazonaws.com/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=" +
				"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
			want: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{name: "documentation", method: "GET", service: "iam", mime: "application/x-www-form-urlencoded; charset=utf-8",
			url:  "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
			want: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		// Of Route 53 nothing is published; these are what AWS's own library (botocore 1.44) makes.
		{name: "read set", method: "GET", service: "route53", session: "a/session+token=",
			url:  "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.example.com.&type=TXT",
			want: "26678e734fd73681c80c6929627546637f779f74f2fd269da6b44a5bf85ee79e"},
		{name: "change set", method: "POST", service: "route53", session: "a/session+token=", mime: "text/xml", body: "<a/>",
			url:  "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset/",
			want: "a66806af7060289be2f2c1ccb0c0a457c127c279f0c03680c940098b737602d5"},
		{name: "star", method: "GET", service: "route53", session: "a/session+token=",
			url:  "https://route53.amazonaws.com/2013-04-01/hostedzonesbyname?dnsname=%2A.example.com.&maxitems=20",
			want: "03bbc26e7a8502696fec4cd9bea5b808ffa923706612ce839e21354251ee6eb3"},
	} {
		r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.mime != "" {
			r.Header.Set("Content-Type", c.mime)
		}
		key := awsKey{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", c.session, "us-east-1", c.service}
		key.sign(r, []byte(c.body), at)
		_, got, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		if got != c.want {
			t.Errorf("%s: signature %s, want %s", c.name, got, c.want)
		}
	}
}
