package weir_test

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

func readEvents(t *testing.T, src io.Reader) (all []weir.Event) {
	t.Helper()
	r := weir.NewEventReader(src)
	for {
		e, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

func TestEvents_AreReadAsBrowsersDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []weir.Event
	}{
		{"one", "data: a\n\n", []weir.Event{{Data: "a"}}},
		{"lines", "data: a\ndata: b\ndata\ndata:c\n\n", []weir.Event{{Data: "a\nb\n\nc"}}},
		{"all", "event: e\nid: 1\nretry: 10\ndata: a\n\n", []weir.Event{{ID: "1", Event: "e", Data: "a", Retry: "10"}}},
		{"comments", ": hi\n\ndata: a\n: hi\n\n", []weir.Event{{Data: "a"}}},
		{"one space only", "data:  a \n\n", []weir.Event{{Data: " a "}}},
		{"crlf", "data: a\r\n\r\ndata: b\r\n\r\n", []weir.Event{{Data: "a"}, {Data: "b"}}},
		{"cr", "data: a\r\rdata: b\r\r", []weir.Event{{Data: "a"}, {Data: "b"}}},
		{"unfinished", "data: a\n\ndata: b\n", []weir.Event{{Data: "a"}}},
		{"unknown", "x: y\ndata: a\n\n", []weir.Event{{Data: "a"}}},
		{"BOM", "\ufeffdata: a\n\n", []weir.Event{{Data: "a"}}},
		{"colons", "data: a:b: c\n\n", []weir.Event{{Data: "a:b: c"}}},
		{"empty", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, src := range []io.Reader{
				strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text)),
				iotest.DataErrReader(strings.NewReader(c.text)), iotest.HalfReader(strings.NewReader(c.text)),
			} {
				if got := readEvents(t, src); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%q: got %+v, want %+v", c.text, got, c.want)
				}
			}
		})
	}
}

func TestEvents_AreBounded(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"a line": "data: " + strings.Repeat("x", 2<<20) + "\n\n",
		"lines":  strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 2000) + "\n",
	} {
		if _, err := weir.NewEventReader(strings.NewReader(src)).Next(); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEvents_AreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	for _, e := range []weir.Event{
		{Data: "a"}, {Data: ""}, {Data: "a\nb\n\nc"}, {Event: "e", ID: "1", Data: "x", Retry: "10"}, {Data: "\n"}, {Data: " a: b"},
	} {
		got := readEvents(t, strings.NewReader(string(e.Append(nil))))
		if len(got) != 1 || got[0] != e {
			t.Errorf("%+v: got %+v, of %q", e, got, e.Append(nil))
		}
	}
	hostile := weir.Event{ID: "1\ndata: x", Event: "e\r\n\r\ndata: y", Data: "a\r\nb\rc"}
	got := readEvents(t, strings.NewReader(string(hostile.Append(nil))))
	want := weir.Event{ID: "1data: x", Event: "edata: y", Data: "a\nb\nc"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEvents_GoThroughAFilterAsTheyCome(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			resp.Transform(func(dst *weir.Writer, src *weir.Body) error {
				events := weir.NewEventReader(src)
				for {
					e, err := events.Next()
					if err != nil {
						return end(err)
					}
					e.Data = strings.ToUpper(e.Data)
					if err := dst.WriteEvent(e); err != nil {
						return err
					}
				}
			})
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer {
			return &sdktest.Answer{Chunks: []string{"da", "ta: a\n", "\ndata: b", "\n\n"}, Pause: time.Second}
		})
		x := h.Begin(&sdktest.Request{})
		h.Advance(2 * time.Second)
		same(t, "after 2 s", x.Response().Body, "data: A\n\n")
		same(t, "body", x.Wait().Body, "data: A\n\ndata: B\n\n")
	})
}

func TestEvents_OfAnAnswer(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200, weir.Field{Name: "content-type", Value: "text/event-stream"})
		for _, s := range []string{"a", "b"} {
			if err == nil {
				err = w.WriteEvent(weir.Event{Data: s})
			}
		}
		return nil, err
	}))
	same(t, "body", h.Get("/").Body, "data: a\n\ndata: b\n\n")
}
