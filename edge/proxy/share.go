package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/upstream"
)

// pool is what a Proxy asks of an [upstream.Pool]. Tests have pools of their own.
type pool interface {
	Do(*exchange.Call, *exchange.Response) (upstream.Result, error)
	Choose(*exchange.Call) (endpoint, why string)
	Name() string
}

var _ pool = (*upstream.Pool)(nil)

// share is a pool and the requests that it takes.
type share struct {
	pool        pool
	name, value string // a field that requests must have; "" for the others
	upTo        int    // of the weights of the shares without a name: this one and those before
	weight      int
}

// shares are the pools of one Proxy.
type shares struct {
	list  []share
	total int // of the weights
}

func newShares(list []Share) (s shares, err error) {
	for i, o := range list {
		if o.Pool == nil {
			return s, fmt.Errorf("share %d: has no pool", i+1)
		}
		if err := s.add(o.Pool, o); err != nil {
			return s, fmt.Errorf("share %d: %w", i+1, err)
		}
	}
	return s, s.check()
}

func (s *shares) add(p pool, o Share) error {
	sh := share{pool: p, name: strings.ToLower(o.Name), value: o.Value, weight: max(o.Weight, 1)}
	switch {
	case o.Weight < 0:
		return fmt.Errorf("weight %d: is negative", o.Weight)
	case sh.name != "" && !exchange.ValidName(sh.name):
		return fmt.Errorf("header %q: not a field name", o.Name)
	case sh.name == "":
		s.total += sh.weight
		sh.upTo = s.total
	}
	s.list = append(s.list, sh)
	return nil
}

func (s *shares) check() error {
	if s.total == 0 {
		return errors.New("shares: none takes requests without a header field")
	}
	return nil
}

// vary names the fields that decide which pool answers: what one of them says must
// not be kept for requests that another one takes.
func (s *shares) vary() string {
	var names []string
	for _, sh := range s.list {
		if sh.name != "" && !slices.Contains(names, sh.name) {
			names = append(names, sh.name)
		}
	}
	return strings.Join(names, ", ")
}

// of returns the share that takes r.
func (s *shares) of(r *exchange.Request) *share {
	if len(s.list) == 1 {
		return &s.list[0]
	}
	for i := range s.list {
		sh := &s.list[i]
		if sh.name != "" && sh.asked(&r.Header) {
			return sh
		}
	}
	draw := rand.IntN(s.total)
	for i := range s.list {
		if sh := &s.list[i]; draw < sh.upTo {
			return sh
		}
	}
	return &s.list[0] // not reached: the last weight's upTo is the total
}

// asked tells whether h asks for this share.
func (sh *share) asked(h *exchange.Header) bool {
	for v := range h.Values(sh.name) {
		if sh.value == "*" || v == sh.value {
			return true
		}
	}
	return false
}

// why tells what made a request come to sh.
func (s *shares) why(sh *share) string {
	switch {
	case len(s.list) == 1:
		return ""
	case sh.name != "":
		return "header " + sh.name
	}
	return fmt.Sprintf("weight %d of %d", sh.weight, s.total)
}
