package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// told reads the text of an answer's events, and whether it has an end.
func told(t *testing.T, body string) (text string, ended bool) {
	t.Helper()
	events := weir.NewEventReader(strings.NewReader(body))
	for {
		e, err := events.Next()
		if err != nil {
			return text, ended
		}
		if ended = e.Data == "[DONE]"; ended {
			continue
		}
		var d delta
		if err := json.Unmarshal([]byte(e.Data), &d); err != nil {
			t.Fatalf("%q: %v", e.Data, err)
		}
		text += d.Choices[0].Delta.Content
	}
}

func say(text string) string {
	b, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]string{"content": text}}}})
	return "data: " + string(b) + "\n\n"
}

func model(words ...string) func(*sdktest.Request) *sdktest.Answer {
	var chunks []string
	for _, w := range words {
		e := say(w)
		chunks = append(chunks, e[:len(e)/2], e[len(e)/2:]) // events arrive in pieces
	}
	chunks = append(chunks, "data: [DONE]\n\n")
	return func(*sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Header: sdktest.Fields("content-type", "text/event-stream"), Chunks: chunks, Pause: 10 * time.Millisecond}
	}
}

func TestLLM_HidesWordsThatComeInPieces(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, `{"hide": ["sesame"]}`))
	h.Next(model("The ", "word is ses", "ame", ", not ses", "am."))
	resp := h.Get("/")
	if text, ended := told(t, resp.Body); text != "The word is ******, not sesam." || !ended {
		t.Errorf("got %q", resp.Body)
	}
	if first := resp.Chunks[0]; first.At > 20*time.Millisecond || !strings.Contains(first.Data, "The ") {
		t.Errorf("the first event came after %v: %q", first.At, first.Data)
	}
	if got := h.Recorded("answer_words"); len(got) != 1 || got[0] != 6 {
		t.Errorf("recorded %v words", got)
	}
}

func TestLLM_EndsWhatGetsTooLong(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, `{"most": 3}`))
	h.Next(model("one ", "two ", "three ", "four ", "five "))
	if text, ended := told(t, h.Get("/").Body); text != "one two three … (cut)" || !ended {
		t.Errorf("got %q", text)
	}
}

func TestLLM_AsksForWhatItCanRead(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, `{}`))
	h.Get("/", sdktest.Field("accept-encoding", "gzip"))
	if r := h.Requests()[0]; r.Header.Has("accept-encoding") {
		t.Errorf("the model is asked with\n%s", r.Header)
	}
}
