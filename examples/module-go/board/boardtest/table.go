package boardtest

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
)

const boundary = "a-boundary-that-nobody-writes"

// Table is what Run asks, in that order: later rows see what earlier ones have done.
func Table() []Exchange {
	asForm := []string{"Content-Type", "application/x-www-form-urlencoded"}
	asParts := []string{"Content-Type", "multipart/form-data; boundary=" + boundary}
	boots := `{"by": "ada", "text": "Bring boots."}`
	return slicesOf(
		[]Exchange{
			{Name: "home", Path: "/", Status: 200, Want: []string{"text/html; charset=utf-8", "The water is high today.", "This is localhost"}},
			{Name: "head of home", Method: "HEAD", Path: "/", Status: 200, Want: []string{"text/html"}},
			{Name: "home for who reads gzip", Path: "/", Header: []string{"Accept-Encoding", "gzip"}, Status: 200, Want: []string{"content-encoding: gzip", "vary: Accept-Encoding"}},
			{Name: "no page", Path: "/nowhere", Status: 404, Want: []string{"404 page not found"}},
			{Name: "no such method", Method: "PATCH", Path: "/notices", Status: 405, Want: []string{"allow: "}},
			{Name: "redirect to the canonical path", Path: "/static//../static/board.css", Status: 307},
			{Name: "favicon moved", Path: "/favicon.ico", Status: 301, Want: []string{"location: /static/drop.svg"}},
			{Name: "relative redirect", Path: "/go/1?x=%20", Status: 302, Want: []string{"location: /notices/1"}},
		},
		[]Exchange{
			{Name: "a notice", Path: "/notices/1", Status: 200, Want: []string{"<h1>The water is high today.</h1>"}},
			{Name: "no notice", Path: "/notices/99", Status: 404, Want: []string{"there is no such notice", "x-content-type-options: nosniff"}},
			{Name: "post as a stranger", Method: "POST", Path: "/notices", Header: asForm, Body: form("text", "x"), Status: 303, Want: []string{"location: /login"}},
			{Name: "login page", Path: "/login", Status: 200, Want: []string{"Who are you?"}},
			{Name: "login without a name", Method: "POST", Path: "/login", Header: asForm, Body: form("name", " "), Status: 422, Want: []string{"1 to 40 letters"}},
			{Name: "login from another site", Method: "POST", Path: "/login", Header: append([]string{"Sec-Fetch-Site", "cross-site"}, asForm...), Body: form("name", "eve"), Status: 403},
			{Name: "login", Method: "POST", Path: "/login", Header: asForm, Body: form("name", "Ada <3"), Status: 303,
				Want: []string{"set-cookie: session=ID; Path=/; Max-Age=3600; HttpOnly", "set-cookie: greeted=yes; Path=/", "location: /"}},
			{Name: "home of who is known", Path: "/", Status: 200, Want: []string{"You are Ada &lt;3."}},
			{Name: "post nothing", Method: "POST", Path: "/notices", Header: asForm, Body: form("text", ""), Status: 422},
			{Name: "post", Method: "POST", Path: "/notices", Header: asForm, Body: form("text", "Öl & <Water>"), Status: 303, Want: []string{"location: /notices/2"}},
			{Name: "what was posted", Path: "/notices/2", Status: 200, Want: []string{"Öl &amp; &lt;Water&gt;", "Ada &lt;3"}},
			{Name: "remove somebody else's", Method: "POST", Path: "/notices/1/remove", Status: 403},
			{Name: "remove one's own", Method: "POST", Path: "/notices/2/remove", Status: 303, Want: []string{"location: /"}},
			{Name: "logout", Method: "POST", Path: "/logout", Status: 303, Want: []string{"set-cookie: session=; Path=/; Max-Age=0"}},
			{Name: "home of a stranger", Path: "/", Status: 200, Want: []string{`<a href="/login">`}},
		},
		[]Exchange{
			{Name: "style", Path: "/static/board.css", Status: 200, Want: []string{"content-type: text/css; charset=utf-8", "accept-ranges: bytes", "etag: "}},
			{Name: "head of style", Method: "HEAD", Path: "/static/board.css", Status: 200, Want: []string{"content-length: "}},
			{Name: "picture", Path: "/static/drop.svg", Status: 200, Want: []string{"content-type: image/svg+xml"}},
			{Name: "part of style", Path: "/static/board.css", Header: []string{"Range", "bytes=2-5"}, Status: 206, Want: []string{"content-range: bytes 2-5/"}, Length: 4},
			{Name: "end of style", Path: "/static/board.css", Header: []string{"Range", "bytes=-4"}, Status: 206, Length: 4},
			{Name: "beyond style", Path: "/static/board.css", Header: []string{"Range", "bytes=9999-"}, Status: 416, Want: []string{"content-range: bytes */"}},
			{Name: "style as before", Path: "/static/board.css", Header: []string{"If-None-Match", "*"}, Status: 304},
			{Name: "style unless another", Path: "/static/board.css", Header: []string{"If-Match", `"other"`}, Status: 412},
			{Name: "listing", Path: "/static/", Status: 200, Want: []string{"board.css", "drop.svg"}},
			{Name: "no file", Path: "/static/none.css", Status: 404},
		},
		[]Exchange{
			{Name: "upload", Method: "POST", Path: "/files", Header: asParts, Body: parts("numbers.txt", numbers(100_000), "note", "a note"), Status: 201,
				Want: []string{"location: /files/numbers.txt", `{"name":"numbers.txt","note":"a note","size":100000}`}},
			{Name: "upload of more than may be", Method: "POST", Path: "/files", Header: asParts, Body: parts("big", numbers(1_200_000)), Status: 413},
			{Name: "upload of no form", Method: "POST", Path: "/files", Body: text("x"), Status: 400},
			{Name: "download", Path: "/files/numbers.txt", Status: 200, Want: []string{"content-type: text/plain; charset=utf-8", "content-length: 100000"}, Length: 100_000},
			{Name: "head of download", Method: "HEAD", Path: "/files/numbers.txt", Status: 200, Want: []string{"content-length: 100000"}},
			{Name: "download to keep", Path: "/files/numbers.txt?save", Header: []string{"Range", "bytes=0-0"}, Status: 206, Want: []string{"content-disposition: attachment; filename=numbers.txt"}, Length: 1},
			{Name: "no download", Path: "/files/none", Status: 404},
			{Name: "digest of much", Method: "POST", Path: "/digest", Header: asParts, Body: parts("big", numbers(8_000_000), "note", "x"), Status: 200, Want: []string{`"size":8000000`, `"part":"note"`}},
			{Name: "digest of what breaks off", Method: "POST", Path: "/digest", Header: asParts, Body: text("--" + boundary + "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nabc"), Status: 400},
			{Name: "echo", Method: "POST", Path: "/echo", Body: text(strings.Repeat("abcdefgh", 200_000)), Status: 200, Want: []string{"ABCDEFGH"}, Length: 1_600_000},
			{Name: "echo of what has no length", Method: "POST", Path: "/echo", Body: func() io.Reader { return struct{ io.Reader }{strings.NewReader("hello")} },
				Trail: []string{"X-Said", "all"}, Status: 200, Want: []string{"HELLO", "x-heard: all"}},
		},
		[]Exchange{
			{Name: "all notices", Path: "/api/notices", Status: 200, Want: []string{"application/json", `"text":"The water is high today."`}},
			{Name: "add", Method: "POST", Path: "/api/notices", Body: text(boots), Status: 201, Want: []string{"location: /api/notices/3", `"id":3`}},
			{Name: "add nothing", Method: "POST", Path: "/api/notices", Status: 400, Want: []string{"EOF"}},
			{Name: "add what is unknown", Method: "POST", Path: "/api/notices", Body: text(`{"txt": 1}`), Status: 400, Want: []string{"unknown field"}},
			{Name: "add too much", Method: "POST", Path: "/api/notices", Body: text(`{"text": "` + strings.Repeat("a", 5000) + `"}`), Status: 413, Want: []string{"too large"}},
			{Name: "hers", Path: "/api/notices?by=ada", Status: 200, Want: []string{`[{"id":3,"version":1,"by":"ada","text":"Bring boots."}]`}},
			{Name: "one", Path: "/api/notices/3", Status: 200, Want: []string{`etag: "1"`}},
			{Name: "one as before", Path: "/api/notices/3", Header: []string{"If-None-Match", `"1"`}, Status: 304, Want: []string{`etag: "1"`}},
			{Name: "change", Method: "PUT", Path: "/api/notices/3", Header: []string{"If-Match", `"1"`}, Body: text(`{"text": "Bring no boots."}`), Status: 200, Want: []string{`"version":2`}},
			{Name: "change what has changed", Method: "PUT", Path: "/api/notices/3", Header: []string{"If-Match", `"1"`}, Body: text(boots), Status: 412},
			{Name: "erase", Method: "DELETE", Path: "/api/notices/3", Status: 204},
			{Name: "erase what is gone", Method: "DELETE", Path: "/api/notices/3", Status: 404},
			{Name: "options", Method: "OPTIONS", Path: "/api/notices", Status: 204, Want: []string{"allow: DELETE, GET"}},
		},
		[]Exchange{
			{Name: "count", Path: "/count/1000", Status: 200, Want: []string{"\n999\n1000\n", "x-sum: 67d4ff71d43921d5739f387da09746f405e425b07d727e4c69d029461d1f051f", "x-count: 1000"}},
			{Name: "count slowly", Path: "/count/5?pause=3ms", Status: 200, Want: []string{"1\n2\n3\n4\n5\n", "x-count: 5"}},
			{Name: "count to what", Path: "/count/x", Status: 400},
			{Name: "report", Path: "/report", Status: 200, Want: []string{"103\nlink: </static/board.css>; rel=preload; as=style\n", "<h1>5 words</h1>"}},
			{Name: "slow, but in time", Path: "/slow?for=20ms", Status: 200, Want: []string{"Here I am."}},
			{Name: "too slow", Path: "/slow?for=1m", Status: 503, Want: []string{"That took too long."}},
			{Name: "broken", Path: "/broken", Status: 500, Want: []string{"it is our fault, not yours."}},
			{Name: "gauge", Path: "/gauge?unit=cm", Status: 200, Want: []string{"The gauge says: 214 cm"}},
			{Name: "gauge that says much", Path: "/gauge?unit=much", Status: 200, Length: 500_016},
			{Name: "gauge that fails", Path: "/gauge?unit=none", Status: 404, Want: []string{"The gauge says: what unit?"}},
			{Name: "gauge that is silent", Path: "/gauge?unit=silence", Status: 504, Want: []string{"The gauge says nothing."}},
			{Name: "stats", Path: "/stats", Status: 200, Want: []string{`"listening":0`, `"under_way":1`}},
		},
	)
}

func slicesOf(all ...[]Exchange) (table []Exchange) {
	for _, a := range all {
		table = append(table, a...)
	}
	return table
}

func text(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

func form(name, value string) func() io.Reader { return text(url.Values{name: {value}}.Encode()) }

func numbers(n int) string { return strings.Repeat("0123456789", n/10) }

// parts is a form with a file, and other fields.
func parts(name, content string, others ...string) func() io.Reader {
	return func() io.Reader {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		_ = w.SetBoundary(boundary)
		part, _ := w.CreateFormFile("file", name)
		fmt.Fprint(part, content)
		for i := 0; i < len(others); i += 2 {
			_ = w.WriteField(others[i], others[i+1])
		}
		_ = w.Close()
		return &b
	}
}
