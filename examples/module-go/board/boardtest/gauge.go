package boardtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Gauge is the service that the board asks how high the water is.
func Gauge(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("unit") {
	case "cm":
		fmt.Fprintln(w, "214 cm")
	case "much":
		for range 50 {
			_, _ = io.WriteString(w, strings.Repeat("0123456789", 1000))
			_ = http.NewResponseController(w).Flush()
		}
	case "silence":
		<-r.Context().Done()
	default:
		http.Error(w, "what unit?", http.StatusNotFound)
	}
}
