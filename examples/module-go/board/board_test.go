package board_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirproxy/weir/examples/module-go/board"
	"github.com/weirproxy/weir/examples/module-go/board/boardtest"
)

// start starts a board, and the service that it asks.
func start(t *testing.T) *httptest.Server {
	t.Helper()
	gauge := httptest.NewServer(http.HandlerFunc(boardtest.Gauge))
	t.Cleanup(gauge.Close)
	server := httptest.NewServer(board.New(board.Options{Gauge: gauge.URL}))
	t.Cleanup(server.Close)
	return server
}

func TestBoard_Table(t *testing.T) {
	t.Parallel()
	server := start(t)
	boardtest.Run(t, server.Client().Transport, server.URL)
}

// TestBoard_TellsWhoListens: somebody hears of what others do, and is forgotten when he
// leaves.
func TestBoard_TellsWhoListens(t *testing.T) {
	t.Parallel()
	server := start(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, _ := http.NewRequestWithContext(ctx, "GET", server.URL+"/events", nil)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	hears := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("never heard %q: %v", want, lines.Err())
	}
	hears("welcome")
	added, err := http.Post(server.URL+"/api/notices", "application/json", strings.NewReader(`{"by": "eve", "text": "Mind the ice."}`))
	if err != nil {
		t.Fatal(err)
	}
	added.Body.Close()
	hears("event: added")
	hears("Mind the ice.")
	leave()
	for {
		stats, err := http.Get(server.URL + "/stats")
		if err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(stats.Body).ReadString('\n')
		if stats.Body.Close(); strings.Contains(line, `"listening":0`) {
			return
		}
	}
}
