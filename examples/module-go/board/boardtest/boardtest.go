// Package boardtest asks a board what browsers and programs ask, and notes what it
// answers, to the byte: the same for the board as a program, and as a module of weir's.
package boardtest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Exchange is one row of the table: what is asked, and what the answer has to be.
type Exchange struct {
	Name   string
	Method string // "": GET
	Path   string
	Header []string // names and values, in turn
	Body   func() io.Reader
	Trail  []string // trailers of the request

	Status int
	Want   []string // of the body, or of the header as "name: value"
	Length int      // of the body; 0: any
}

// others are fields that belong to who serves, and not to the application.
var others = []string{"Date", "Server", "Alt-Svc", "Connection", "Keep-Alive", "Transfer-Encoding"}

var session = regexp.MustCompile(`session=([A-Z2-7]{26})`)

// Run asks everything in the table of the board at base, a new one, by one client, and
// holds the answers to what the table wants. It returns them as text by the rows' names.
func Run(t *testing.T, client http.RoundTripper, base string) map[string]string {
	t.Helper()
	answers, cookie := map[string]string{}, ""
	for _, x := range Table() {
		text, status, id, err := x.ask(client, base, cookie)
		if err != nil {
			t.Errorf("%s: %v", x.Name, err)
			continue
		}
		if id != "" {
			cookie = id
		}
		text = session.ReplaceAllString(text, "session=ID")
		if status != x.Status {
			t.Errorf("%s: status %d, want %d\n%s", x.Name, status, x.Status, short(text))
		}
		for _, want := range x.Want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", x.Name, want, short(text))
			}
		}
		answers[x.Name] = text
	}
	return answers
}

// ask asks once, and writes down the answer. id is the session that it begins, if it does.
func (x Exchange) ask(client http.RoundTripper, base, cookie string) (text string, status int, id string, err error) {
	var body io.Reader
	if x.Body != nil {
		body = x.Body()
	}
	req, err := http.NewRequest(cmp.Or(x.Method, "GET"), base+x.Path, body)
	if err != nil {
		return "", 0, "", err
	}
	req.Host = "localhost" // whatever its port: it is in the pages
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "boardtest")
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: "greeted", Value: "yes"})
		req.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	for i := 0; i < len(x.Header); i += 2 {
		req.Header.Set(x.Header[i], x.Header[i+1])
	}
	for i := 0; i < len(x.Trail); i += 2 {
		if req.Trailer == nil {
			req.Trailer = http.Header{}
		}
		req.Trailer.Set(x.Trail[i], x.Trail[i+1])
	}
	var said bytes.Buffer
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		if status != http.StatusContinue {
			fmt.Fprintln(&said, status)
			fields(&said, http.Header(h))
		}
		return nil
	}}
	resp, err := client.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return "", 0, "", err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", 0, "", fmt.Errorf("read answer: %w", err)
	}
	if x.Length != 0 && len(content) != x.Length {
		err = fmt.Errorf("%d bytes, want %d", len(content), x.Length)
	}
	for _, c := range resp.Cookies() {
		if c.Name == "session" && c.Value != "" {
			id = c.Value
		}
	}
	fmt.Fprintln(&said, resp.StatusCode)
	fields(&said, resp.Header)
	fmt.Fprintf(&said, "\n%s\n", content)
	fields(&said, resp.Trailer)
	return said.String(), resp.StatusCode, id, err
}

// fields writes a header, in the order of its names.
func fields(w io.Writer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !slices.Contains(others, name) {
			for _, value := range h[name] {
				fmt.Fprintf(w, "%s: %s\n", strings.ToLower(name), value)
			}
		}
	}
}

func short(text string) string { return text[:min(len(text), 1500)] }
