package rotate

import (
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"
)

// Real handshakes: a ticket of one node resumes at the other while it is good, and leads
// to a full handshake afterwards.
func TestTickets_ResumeAtAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var servers []*tls.Config
		site := newSite(t, &ECH{})
		for range 2 {
			s := site.server.Clone()
			s.GetEncryptedClientHelloKeys = nil
			n := c.open(0, func(o *TicketOptions) { o.Changed = s.SetSessionTicketKeys })
			defer n.Close()
			servers = append(servers, s)
		}
		pass(time.Second)
		cache := tls.NewLRUClientSessionCache(1)
		client := &tls.Config{ServerName: "secret.example", RootCAs: site.roots, ClientSessionCache: cache}
		if resumes(t, servers[0], client) {
			t.Error("resumed out of nothing")
		}
		ticket, _ := cache.Get("secret.example")
		for _, after := range []time.Duration{0, 12 * time.Hour, 12 * time.Hour, 11 * time.Hour} {
			pass(after)
			for i, s := range servers {
				cache.Put("secret.example", ticket)
				if !resumes(t, s, client) {
					t.Errorf("not resumed at node %d, %v later", i, after)
				}
			}
		}
		pass(14 * time.Hour)
		for i, s := range servers {
			cache.Put("secret.example", ticket)
			if resumes(t, s, client) {
				t.Errorf("resumed at node %d after four periods", i)
			}
		}
	})
}

func resumes(t testing.TB, server, client *tls.Config) bool {
	t.Helper()
	c, s := connect(t)
	defer c.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(s, server)
		defer conn.Close()
		if conn.HandshakeContext(context.Background()) == nil {
			conn.Write([]byte("x")) // behind the ticket
		}
	}()
	conn := tls.Client(c, client)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn.Read(make([]byte, 1))
	c.Close()
	<-done
	return conn.ConnectionState().DidResume
}
