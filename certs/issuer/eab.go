package issuer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const zeroSSLEndpoint = "https://api.zerossl.com/acme/eab-credentials-email"

// clean checks a binding, and brings its key into the one form that is sent: some
// authorities hand it out padded, or in the other alphabet.
func (e *EAB) clean() (*EAB, error) {
	c := &EAB{KeyID: strings.TrimSpace(e.KeyID)}
	c.HMAC = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimSpace(e.HMAC)), "=")
	if c.KeyID == "" || c.HMAC == "" {
		return nil, errors.New("an external account has a key ID and a key (HMAC)")
	}
	if _, err := base64.RawURLEncoding.DecodeString(c.HMAC); err != nil {
		return nil, errors.New("the external account's key (HMAC) is not base64url") // without it: it is a secret
	}
	return c, nil
}

// binding returns what a new account is to be bound to, nil for nothing.
func (i *Issuer) binding(ctx context.Context) (*EAB, error) {
	if i.o.EAB != nil || i.o.EABEndpoint == "" {
		return i.o.EAB, nil
	}
	return FetchZeroSSLEAB(ctx, i.http, i.o.EABEndpoint, i.o.Email)
}

// FetchZeroSSLEAB asks ZeroSSL, or who does as it does, for a binding by an e-mail
// address alone.
func FetchZeroSSLEAB(ctx context.Context, client *http.Client, endpoint, email string) (*EAB, error) {
	if email == "" {
		return nil, errors.New("get external account: an e-mail address is needed, as acme: {email:}")
	}
	eab, err := fetchEAB(ctx, client, endpoint, email)
	if err != nil {
		return nil, fmt.Errorf("get external account from %s: %w", endpoint, err)
	}
	return eab, nil
}

func fetchEAB(ctx context.Context, client *http.Client, endpoint, email string) (*EAB, error) {
	form := url.Values{"email": {email}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return nil, err
	}
	return parseEAB(resp.StatusCode, body)
}

func parseEAB(status int, body []byte) (*EAB, error) {
	var answer struct {
		KID   string `json:"eab_kid"`
		HMAC  string `json:"eab_hmac_key"`
		Error struct {
			Type string `json:"type"`
			Info string `json:"info"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, fmt.Errorf("HTTP %d, and no JSON", status) // not the body: it may have half a secret in it
	}
	if why := strings.TrimSpace(answer.Error.Type + " " + answer.Error.Info); why != "" {
		return nil, fmt.Errorf("HTTP %d: %s", status, brief(why))
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", status)
	}
	return (&EAB{KeyID: answer.KID, HMAC: answer.HMAC}).clean()
}
