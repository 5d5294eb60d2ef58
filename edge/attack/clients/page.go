package clients

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Page is an open page of a browser. Use it from one goroutine.
type Page struct {
	out     io.Writer
	in      *bufio.Reader
	session string
	last    int // number of the last command
}

// Open loads page and leaves the browser running until the test is over, for pages
// that talk with the server: Eval asks them what they have seen.
func (c *Chromium) Open(t testing.TB, page string) *Page {
	t.Helper()
	p := c.start(t, page)
	var target struct{ TargetID string }
	p.must(t, "Target.createTarget", map[string]any{"url": page}, &target)
	var session struct{ SessionID string }
	p.must(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	p.session = session.SessionID
	if c.Dark {
		p.must(t, "Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	}
	return p
}

// start runs the browser with a pipe for commands, which needs no port.
func (c *Chromium) start(t testing.TB, page string) *Page {
	t.Helper()
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	cmd := exec.CommandContext(ctx, c.program, append(c.flags(t, page), "--remote-debugging-pipe")...)
	cmd.Env = append(os.Environ(), "HOME="+c.home)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4, as the flag wants
	cmd.WaitDelay = 2 * time.Second
	err = cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	p := &Page{out: ourOut, in: bufio.NewReader(ourIn)}
	t.Cleanup(func() {
		p.session = ""
		if err := p.do("Browser.close", map[string]any{}, nil); err != nil {
			cancel()
		}
		ourOut.Close()
		cmd.Wait() // whatever it says: all its children have let go of the profile
		cancel()
		ourIn.Close()
	})
	return p
}

// Eval waits until the JavaScript expression is neither false nor empty on the page,
// and returns what it is then, as text.
func (p *Page) Eval(t testing.TB, expression string) string {
	t.Helper()
	poll := `new Promise(done => { const look = () => { const v = (() => { try { return ` + expression +
		` } catch { return false } })(); v ? done(String(v)) : setTimeout(look, 10) }; look() })`
	var answer struct {
		Result           struct{ Value string }
		ExceptionDetails *struct{ Text string }
	}
	for deadline := time.Now().Add(timeLimit / 2); ; {
		err := p.do("Runtime.evaluate", map[string]any{"expression": poll, "awaitPromise": true, "timeout": 20000}, &answer)
		if err == nil && answer.ExceptionDetails == nil {
			return answer.Result.Value
		}
		// The page that was asked may have given way to the one that is being loaded.
		if err == nil || time.Now().After(deadline) || !strings.Contains(err.Error(), "context") && !strings.Contains(err.Error(), "collected") {
			t.Fatalf("evaluate %s: %v %v", expression, err, answer.ExceptionDetails)
		}
	}
}

// Screenshot writes what the page looks like to the PNG file.
func (p *Page) Screenshot(t testing.TB, file string) {
	t.Helper()
	var shot struct{ Data string }
	p.must(t, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil || len(png) == 0 {
		t.Fatalf("picture of %d bytes, %v", len(png), err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *Page) must(t testing.TB, method string, params map[string]any, result any) {
	t.Helper()
	if err := p.do(method, params, result); err != nil {
		t.Fatal(err)
	}
}

// do sends one command of the DevTools protocol and waits for its answer. Commands
// and answers end with a zero byte; events in between are nobody's business.
func (p *Page) do(method string, params map[string]any, result any) error {
	p.last++
	command, err := json.Marshal(struct {
		ID        int            `json:"id"`
		SessionID string         `json:"sessionId,omitempty"`
		Method    string         `json:"method"`
		Params    map[string]any `json:"params"`
	}{p.last, p.session, method, params})
	if err != nil {
		return err
	}
	if _, err := p.out.Write(append(command, 0)); err != nil {
		return fmt.Errorf("send %s to chromium: %w", method, err)
	}
	for {
		line, err := p.in.ReadBytes(0)
		if err != nil {
			return fmt.Errorf("wait for chromium's answer to %s: %w", method, err)
		}
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(line[:len(line)-1], &answer); err != nil {
			return fmt.Errorf("read chromium's answer to %s: %w", method, err)
		}
		switch {
		case answer.ID != p.last:
		case answer.Error != nil:
			return fmt.Errorf("chromium refuses %s: %s", method, answer.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(answer.Result, result)
		}
	}
}
