// A filter over the event stream of a language model: it hides words, counts what was
// said, and ends an answer that gets too long. Events go on as they come.
package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.RegisterConfigured(configured) }

func main() {}

func configured(c *weir.Config) (weir.Filter, error) {
	f := &filter{most: c.Int("most", 1000), hide: c.Strings("hide")}
	return f.handle, nil
}

type filter struct {
	most int // words of an answer
	hide []string
}

func (f *filter) handle(r *weir.Request, next weir.Next) (*weir.Response, error) {
	r.Header.Del("accept-encoding") // what is compressed could not be read
	resp, err := next(r)
	if err == nil && strings.HasPrefix(resp.Header.Get("content-type"), "text/event-stream") {
		resp.Transform(f.stream)
	}
	return resp, err
}

// delta is what of an event matters here.
type delta struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
}

// stream reads events and writes events. A word may come in several of them: only what is
// followed by a space is known to be one.
func (f *filter) stream(dst *weir.Writer, src *weir.Body) error {
	events := weir.NewEventReader(src)
	words, held := 0, ""
	say := func(text string) error {
		for _, word := range f.hide {
			text = strings.ReplaceAll(text, word, strings.Repeat("*", len(word)))
		}
		if text == "" {
			return nil
		}
		words += len(strings.Fields(text))
		return write(dst, text)
	}
	for {
		e, err := events.Next()
		if err == io.EOF || err == nil && e.Data == "[DONE]" {
			if err := say(held); err != nil {
				return err
			}
			weir.Histogram("answer_words").Record(uint64(words))
			return dst.WriteEvent(weir.Event{Data: "[DONE]"})
		}
		if err != nil {
			return err
		}
		var d delta
		if json.Unmarshal([]byte(e.Data), &d) != nil || len(d.Choices) == 0 {
			if err := dst.WriteEvent(e); err != nil { // something else, as it is
				return err
			}
			continue
		}
		held += d.Choices[0].Delta.Content
		at := strings.LastIndexAny(held, " \n") + 1
		if err := say(held[:at]); err != nil {
			return err
		}
		if held = held[at:]; words >= f.most {
			if err := write(dst, "… (cut)"); err != nil {
				return err
			}
			return dst.WriteEvent(weir.Event{Data: "[DONE]"})
		}
	}
}

func write(dst *weir.Writer, text string) error {
	var d delta
	d.Choices = append(d.Choices, struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	}{})
	d.Choices[0].Delta.Content = text
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return dst.WriteEvent(weir.Event{Data: string(b)})
}
