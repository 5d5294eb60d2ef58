package certstest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Client returns an HTTP client that trusts the authority's API and its management.
func (c *CA) Client() *http.Client { return Client(c.t, c.Roots) }

// Client returns an HTTP client that trusts roots alone.
func Client(t testing.TB, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// SetRenewalInfo says from when to when a certificate is to be renewed.
func (c *CA) SetRenewalInfo(leaf *x509.Certificate, start, end time.Time) {
	c.t.Helper()
	c.SetRenewalAnswer(leaf, fmt.Sprintf(`{"suggestedWindow":{"start":%q,"end":%q},"explanationURL":"https://ca.example/why"}`,
		start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)))
}

// SetRenewalAnswer makes answer, which need not make sense, the renewal information
// of a certificate.
func (c *CA) SetRenewalAnswer(leaf *x509.Certificate, answer string) {
	c.t.Helper()
	body, err := json.Marshal(map[string]string{
		"Certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})),
		"ARIResponse": answer,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.Client().Post(c.Management+"/set-renewal-info/", "application/json", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("set renewal information: %s", resp.Status)
	}
}

// Revoke revokes a certificate as who holds its key can. Pebble then answers
// questions for its renewal with a window of one second in the past, which clients
// find malformed: set a better one by [CA.SetRenewalInfo].
func (c *CA) Revoke(leaf *x509.Certificate, key crypto.Signer) {
	c.t.Helper()
	client := &acme.Client{Directory: c.Directory, HTTPClient: c.Client()}
	if err := client.RevokeCertificate(context.Background(), acme.Account{}, leaf, key, acme.ReasonKeyCompromise); err != nil {
		c.t.Fatal(err)
	}
}

// Revoked tells whether the authority holds a certificate for revoked.
func (c *CA) Revoked(leaf *x509.Certificate) bool {
	c.t.Helper()
	resp, err := c.Client().Get(c.Management + "/cert-status-by-serial/" + leaf.SerialNumber.Text(16))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var status struct{ Status string }
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		c.t.Fatal(err)
	}
	return status.Status == "Revoked"
}
