package clients

import (
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed h3client.py
var h3client []byte

// H3Response is what [H3] got.
type H3Response struct {
	Status   int
	Headers  [][2]string // in order, names in lower case
	Trailers [][2]string
	Informed []int // statuses of the interim responses
	Bytes    int   // length of the body
	SHA256   string
	Body     string // where it is UTF-8 of at most 64 KiB

	Resumed, Early bool // of the answer to --resume: the session was resumed, its early data taken
}

// Header returns the value of the first header field called name, or "".
func (r *H3Response) Header(name string) string {
	for _, f := range r.Headers {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

// H3 asks for url over HTTP/3 with aioquic, a QUIC stack in Python that shares no
// code with weir's, and trusts the certificates of the PEM file root alone. The
// options are those of h3client.py: -X METHOD, -H 'name: value', -d DATA or @FILE,
// --connect HOST:PORT, --repeat N, --resume HOST:PORT. It fails the test unless every response came
// whole.
func H3(t testing.TB, root, url string, options ...string) []H3Response {
	t.Helper()
	responses, diag := TryH3(t, root, url, options...)
	if diag != "" {
		t.Fatalf("h3client %s %q: %s", url, options, diag)
	}
	return responses
}

// TryH3 is [H3] for requests that are expected to fail: it returns what the
// client said about it, or "" where all went well.
func TryH3(t testing.TB, root, url string, options ...string) (responses []H3Response, failure string) {
	t.Helper()
	python := findAioquic(t)
	script := filepath.Join(t.TempDir(), "h3client.py")
	if err := os.WriteFile(script, h3client, 0o600); err != nil {
		t.Fatal(err)
	}
	out, diag, err := run(t, nil, python, append(append([]string{script, "--ca", root}, options...), url)...)
	if err != nil {
		return nil, strings.TrimSpace(diag + " " + err.Error())
	}
	for line := range strings.Lines(out) {
		var r H3Response
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("read answer of h3client %q: %v", line, err)
		}
		responses = append(responses, r)
	}
	return responses, ""
}

// findAioquic returns a Python that has aioquic.
func findAioquic(t testing.TB) string {
	t.Helper()
	python := Find(t, "python3")
	if _, _, err := run(t, nil, python, "-c", "import aioquic"); err != nil {
		missing(t, "aioquic (python3 -m pip install aioquic)")
	}
	return python
}
