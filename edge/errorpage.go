package edge

import (
	"encoding/json"
	"html"
	"strconv"
)

func textPage(status int, title, id string) []byte {
	return []byte(strconv.Itoa(status) + " " + title + "\nincident " + id + "\n")
}

// jsonPage is a problem document (RFC 9457). The type is "about:blank" where the
// status says it all.
func jsonPage(status int, title, slug, id string) []byte {
	kind := "about:blank"
	if slug != "" {
		kind = "urn:weir:problem:" + slug
	}
	b, _ := json.Marshal(struct {
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Instance string `json:"instance"`
	}{kind, title, status, "urn:weir:incident:" + id})
	return append(b, '\n')
}

// hint is one sentence that helps the person who reads the page.
func hint(status int) string {
	switch status {
	case 400:
		return "The server could not make sense of this request."
	case 401:
		return "You need to sign in to see this page."
	case 403:
		return "You are not allowed to see this page."
	case 404:
		return "There is nothing at this address. It may have moved, or the link may be wrong."
	case 405:
		return "This page cannot be used in this way."
	case 408:
		return "The request took too long to arrive."
	case 410:
		return "What was here has been removed."
	case 413:
		return "What was sent is too large."
	case 421:
		return "This server does not answer for that name."
	case 429:
		return "Too many requests. Please wait a moment."
	case 502, 503, 504:
		return "The site is not answering just now. Please try again in a moment."
	case 508:
		return "The request came back to a server that it had passed before."
	}
	if status >= 500 {
		return "Something went wrong on our side. Please try again in a moment."
	}
	return "The request could not be answered."
}

func htmlPage(status int, title, id string) []byte {
	code := strconv.Itoa(status)
	b := make([]byte, 0, 2048)
	b = append(b, pageHead...)
	b = append(b, code...)
	b = append(b, ' ')
	b = append(b, html.EscapeString(title)...)
	b = append(b, pageStyle...)
	b = append(b, code...)
	b = append(b, "</p><h1>"...)
	b = append(b, html.EscapeString(title)...)
	b = append(b, "</h1><p>"...)
	b = append(b, html.EscapeString(hint(status))...)
	b = append(b, "</p><footer>Incident <code>"...)
	b = append(b, id...)
	return append(b, "</code></footer></main></body></html>\n"...)
}

const pageHead = `<!doctype html><html lang="en"><head><meta charset="utf-8">` +
	`<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex"><title>`

// A weir is a low dam: a calm line, and water that goes over it.
const pageStyle = `</title><style>
:root{color-scheme:light dark;--bg:#f6f8f9;--fg:#1b2a33;--soft:#5c6f7a;--line:#d5dee3;--water:#2b7a9b}
@media(prefers-color-scheme:dark){:root{--bg:#0f171c;--fg:#e4edf1;--soft:#8ea3ae;--line:#24343d;--water:#63b7d6}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--fg);
font:17px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;padding:24px}
main{max-width:32rem;width:100%}
.code{margin:0;font-size:clamp(4.5rem,18vw,7.5rem);line-height:1;font-weight:700;letter-spacing:-.04em;color:var(--water)}
h1{margin:.6rem 0 .4rem;font-size:1.6rem;line-height:1.25;letter-spacing:-.01em}
p{margin:0;color:var(--soft)}
footer{margin-top:2.2rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}
code{font:.95em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--fg);user-select:all}
</style></head><body><main><p class="code">`
