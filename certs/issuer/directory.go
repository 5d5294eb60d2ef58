package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// directoryLife is how long a directory is believed.
const directoryLife = time.Hour

// api is what an authority offers, and the client for it.
type api struct {
	*acme.Client
	dir   acme.Directory
	until time.Time // when it is looked at again
}

// reach returns the authority's API. What failed is not remembered: the next one asks
// again.
//
// The client below keeps directories for all authorities of the process behind one
// lock, which it holds while it fetches one: an authority that hangs would hold up the
// next one. So the directory is fetched here, and the client is handed it by [wire],
// under an address that is new whenever the directory is.
func (i *Issuer) reach(ctx context.Context) (*api, error) {
	if a := i.known(); a != nil && time.Now().Before(a.until) {
		return a, nil
	}
	if err := i.asking.take(ctx); err != nil {
		return nil, err
	}
	defer i.asking.give()
	known := i.known()
	if known != nil && time.Now().Before(known.until) {
		return known, nil
	}
	doc, err := i.fetch(ctx, i.o.Directory)
	var dir *acme.Directory
	if err == nil {
		dir, err = parseDirectory(doc, i.plain)
	}
	switch {
	case err == nil:
		return i.adopt(dir)
	case known == nil:
		return nil, fmt.Errorf("read directory: %w", err)
	}
	// It was good an hour ago; what is wrong will show.
	return i.know(&api{Client: known.Client, dir: known.dir, until: time.Now().Add(time.Minute)}), nil
}

func (i *Issuer) known() *api {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.api
}

func (i *Issuer) know(a *api) *api {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.api = a
	return a
}

func parseDirectory(doc []byte, plain bool) (*acme.Directory, error) {
	dir := &acme.Directory{}
	if err := json.Unmarshal(doc, dir); err != nil {
		return nil, fmt.Errorf("what is there is no ACME directory: %w", err)
	}
	for _, u := range []string{dir.NewNonce, dir.NewAccount, dir.NewOrder, dir.RevokeCert} {
		if p, err := url.Parse(u); err != nil || !private(p, plain) {
			return nil, fmt.Errorf("what is there is no ACME directory: %q is no https URL", brief(u))
		}
	}
	return dir, nil
}

// adopt makes dir what is offered from now on.
func (i *Issuer) adopt(dir *acme.Directory) (*api, error) {
	forClient := *dir
	forClient.RenewalInfo = "" // asked for here: the client would, with long pauses, within every order
	doc, err := json.Marshal(forClient)
	if err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	sum := sha256.Sum256(doc)
	a := &api{dir: *dir, until: time.Now().Add(directoryLife)}
	at := i.o.Directory + "#" + hex.EncodeToString(sum[:8])
	if known := i.known(); known != nil && known.Directory == at {
		a.Client = known.Client // with the nonces it has
	} else {
		i.wire.hold(at, doc)
		a.Client = &acme.Client{Directory: at, HTTPClient: i.http, UserAgent: i.o.UserAgent, PollTimeout: 2 * i.o.Timeout} // the context is what ends it
	}
	return i.know(a), nil
}

// fetch gets a document.
func (i *Issuer) fetch(ctx context.Context, from string) ([]byte, error) {
	body, _, err := i.get(ctx, from)
	return body, err
}

func (i *Issuer) get(ctx context.Context, from string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("User-Agent", i.o.UserAgent)
	resp, err := i.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, resp.Header, problemOf(resp, body)
	}
	return body, resp.Header, nil
}

// problemOf is what an answer that is an error says.
func problemOf(resp *http.Response, body []byte) error {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	p := acme.Problem{}
	if strings.TrimSpace(kind) == "application/problem+json" && json.Unmarshal(body, &p) == nil {
		p.Status = resp.StatusCode
		return p
	}
	return fmt.Errorf("HTTP %d: %s", resp.StatusCode, brief(string(body)))
}

// Directory tells what the authority offers: its profiles with a description each, where
// its terms of service are, and the names by which CAA records allow it.
func (i *Issuer) Directory(ctx context.Context) (profiles map[string]string, terms string, caa []string, err error) {
	ctx, refused := withRefusal(ctx)
	a, err := i.reach(ctx)
	if err != nil {
		return nil, "", nil, i.explain(err, refused, "")
	}
	if a.dir.Meta == nil {
		return nil, "", nil, nil
	}
	return a.dir.Meta.Profiles, a.dir.Meta.TermsOfService, a.dir.Meta.CAAIdentities, nil
}
