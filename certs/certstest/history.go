package certstest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
)

// Order is an order that the authority took.
type Order struct {
	Names    []string // as asked for
	Profile  string
	Replaces string // the ARI identifier of the certificate that it replaces, or ""
}

// history is what the authority was asked and agreed to.
type history struct {
	mu       sync.Mutex
	orders   []Order
	accounts int
	asked    map[string]int
	started  map[string]int
}

// Orders are the orders taken so far, the first one first.
func (c *CA) Orders() []Order {
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	return slices.Clone(c.history.orders)
}

// OrdersFor counts the orders in which a name occurs.
func (c *CA) OrdersFor(name string) (n int) {
	for _, o := range c.Orders() {
		if slices.Contains(o.Names, name) {
			n++
		}
	}
	return n
}

// Replaces counts the orders that said what they replace.
func (c *CA) Replaces() (n int) {
	for _, o := range c.Orders() {
		if o.Replaces != "" {
			n++
		}
	}
	return n
}

// Accounts counts the accounts that were made.
func (c *CA) Accounts() int {
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	return c.history.accounts
}

// Asked counts the requests of a kind (see [Kind]) that came as far as the
// authority, whatever it said to them.
func (c *CA) Asked(kind string) int {
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	return c.history.asked[kind]
}

// Validations counts the validations begun by a type of challenge, "http-01".
// Each has up to three validators come.
func (c *CA) Validations(challenge string) int {
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	return c.history.started[challenge]
}

func (h *history) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // in memory: see faults
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		replay(r, body)
		kind := Kind(r) // before the handler strips the path
		rec := &recorder{Answer: Answer{Header: w.Header()}}
		next.ServeHTTP(rec, r)
		h.note(kind, body, &rec.Answer)
		if rec.Status != 0 {
			w.WriteHeader(rec.Status)
		}
		w.Write(rec.Body)
	})
}

func (h *history) note(kind string, body []byte, a *Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked == nil {
		h.asked, h.started = map[string]int{}, map[string]int{}
	}
	h.asked[kind]++
	switch {
	case kind == "account" && a.Status == http.StatusCreated:
		h.accounts++
	case kind == "order" && a.Status == http.StatusCreated:
		h.orders = append(h.orders, readOrder(body))
	case kind == "challenge" && a.Status < 300:
		var c struct{ Type string }
		if json.Unmarshal(a.Body, &c) == nil {
			h.started[c.Type]++
		}
	}
}

// readOrder takes an order out of the signed request that Pebble has found good.
func readOrder(jws []byte) (o Order) {
	var envelope struct{ Payload string }
	var order struct {
		Identifiers       []struct{ Value string }
		Profile, Replaces string
	}
	if json.Unmarshal(jws, &envelope) != nil {
		return o
	}
	payload, err := base64.RawURLEncoding.DecodeString(envelope.Payload)
	if err != nil || json.Unmarshal(payload, &order) != nil {
		return o
	}
	for _, id := range order.Identifiers {
		o.Names = append(o.Names, id.Value)
	}
	o.Profile, o.Replaces = order.Profile, order.Replaces
	return o
}
