package dns01

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// awsKey is what requests to AWS are signed with.
type awsKey struct {
	id, secret, session string
	region, service     string
}

// sign adds a signature version 4 to a request: X-Amz-Date, X-Amz-Security-Token where
// there is a session, and Authorization. Host, Content-Type and the X-Amz fields are
// signed.
func (k awsKey) sign(r *http.Request, body []byte, now time.Time) {
	const moment = "20060102T150405Z"
	at := now.UTC().Format(moment)
	r.Header.Set("X-Amz-Date", at)
	if k.session != "" {
		r.Header.Set("X-Amz-Security-Token", k.session)
	}
	names, fields := awsHeader(r)
	request := strings.Join([]string{
		r.Method, awsPath(r.URL), awsQuery(r.URL.Query()), fields, names, hexHash(body),
	}, "\n")
	scope := strings.Join([]string{at[:8], k.region, k.service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hexHash([]byte(request))}, "\n")

	key := []byte("AWS4" + k.secret)
	for _, part := range []string{at[:8], k.region, k.service, "aws4_request"} {
		key = keyedHash(key, part)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+k.id+"/"+scope+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(keyedHash(key, text)))
}

// awsHeader returns the names of the fields to sign and a line for each.
func awsHeader(r *http.Request) (names, lines string) {
	fields := map[string]string{"host": cmp.Or(r.Host, r.URL.Host)}
	for name, values := range r.Header {
		low := strings.ToLower(name)
		if low != "content-type" && !strings.HasPrefix(low, "x-amz-") {
			continue
		}
		var clean []string
		for _, v := range values {
			clean = append(clean, strings.Join(strings.Fields(v), " "))
		}
		fields[low] = strings.Join(clean, ",")
	}
	var all []string
	for name := range fields {
		all = append(all, name)
	}
	slices.Sort(all)
	var b strings.Builder
	for _, name := range all {
		b.WriteString(name + ":" + fields[name] + "\n")
	}
	return strings.Join(all, ";"), b.String()
}

// awsPath is the path as it goes over the wire, escaped once more: services other than
// S3 want that.
func awsPath(u *url.URL) string {
	parts := strings.Split(u.EscapedPath(), "/")
	for i, p := range parts {
		parts[i] = awsEscape(p)
	}
	if path := strings.Join(parts, "/"); path != "" {
		return path
	}
	return "/"
}

func awsQuery(q url.Values) string {
	var pairs []string
	for name, values := range q {
		for _, v := range values {
			pairs = append(pairs, awsEscape(name)+"="+awsEscape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// awsEscape escapes all but the unreserved characters of RFC 3986.
func awsEscape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func keyedHash(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
