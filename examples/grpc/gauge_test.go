package grpc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gauge/gauge"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// counting is a Station that tells when a Watch begins and ends.
type counting struct {
	gauge.Station
	begun atomic.Int64
	ended chan error // what each Watch ended with
}

func (s *counting) Watch(w *gauge.Watching, out grpc.ServerStreamingServer[gauge.Level]) error {
	s.begun.Add(1)
	err := s.Station.Watch(w, out)
	s.ended <- err
	return err
}

// setUp serves at GAUGE_ADDR and asks at GAUGE_VIA, trusting GAUGE_ROOT: whoever
// sets these has put a proxy there. Without them the calls go straight.
func setUp(t *testing.T, station *counting) gauge.GaugeClient {
	t.Helper()
	addr := os.Getenv("GAUGE_ADDR")
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	gauge.RegisterGaugeServer(server, station)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	creds, via := insecure.NewCredentials(), os.Getenv("GAUGE_VIA")
	if via == "" {
		via = l.Addr().String()
	} else {
		pem, err := os.ReadFile(os.Getenv("GAUGE_ROOT"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		creds = credentials.NewTLS(&tls.Config{RootCAs: roots})
	}
	conn, err := grpc.NewClient(via, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return gauge.NewGaugeClient(conn)
}

// calls is how often each part of the test calls: GAUGE_CALLS, or ten.
func calls(t *testing.T) int {
	t.Helper()
	if s := os.Getenv("GAUGE_CALLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 10
}

// TestGauge makes calls of all kinds, some at a time, and then those that end early.
func TestGauge(t *testing.T) {
	n := calls(t)
	station := &counting{ended: make(chan error, 2*n)}
	client := setUp(t, station)
	t.Run("kinds", func(t *testing.T) { everyKind(t, client, n, station) })
	t.Run("errors", func(t *testing.T) { errorsCome(t, client) })
	t.Run("cancel", func(t *testing.T) { cancellations(t, client, station, max(1, n/20)) })
	t.Run("deadline", func(t *testing.T) { deadlines(t, client, station, max(1, n/20)) })
	t.Run("large", func(t *testing.T) { large(t, client) })
}

// everyKind makes n calls, a quarter of each kind, sixteen at a time.
func everyKind(t *testing.T, client gauge.GaugeClient, n int, station *counting) {
	kinds := []func(context.Context, gauge.GaugeClient) error{read, watch, report, follow}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start := time.Now()
	var wg sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			if err := kinds[i%len(kinds)](ctx, client); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			<-places
		})
	}
	wg.Wait()
	for range station.begun.Swap(0) {
		<-station.ended
	}
	t.Logf("%d calls in %v", n, time.Since(start).Round(time.Millisecond))
}

func read(ctx context.Context, client gauge.GaugeClient) error {
	var trailer metadata.MD
	l, err := client.Read(ctx, &gauge.Place{Name: "alder"}, grpc.Trailer(&trailer))
	if err != nil || l.Millimetres != 1420 {
		return fmt.Errorf("Read = %v, %v, want 1420", l, err)
	}
	if by := trailer.Get("read-by"); len(by) != 1 || by[0] != "station" {
		return fmt.Errorf("Read's trailer: %v, want read-by: station", trailer)
	}
	return nil
}

func watch(ctx context.Context, client gauge.GaugeClient) error {
	stream, err := client.Watch(ctx, &gauge.Watching{Place: "birch", Count: 20})
	if err != nil {
		return err
	}
	for i := range int32(20) {
		if l, err := stream.Recv(); err != nil || l.Millimetres != 860+i {
			return fmt.Errorf("Watch %d = %v, %v, want %d", i, l, err, 860+i)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("Watch ends with %v, want EOF", err)
	}
	return nil
}

func report(ctx context.Context, client gauge.GaugeClient) error {
	stream, err := client.Report(ctx)
	if err != nil {
		return err
	}
	for i := range int32(20) {
		if err := stream.Send(&gauge.Level{Place: "willow", Millimetres: 100 - i}); err != nil {
			return fmt.Errorf("Report %d: %v", i, err)
		}
	}
	sum, err := stream.CloseAndRecv()
	if err != nil || sum.Count != 20 || sum.Highest != 100 {
		return fmt.Errorf("Report = %v, %v, want 20 and 100", sum, err)
	}
	return nil
}

// follow waits for each answer before it asks again: nothing may be held back.
func follow(ctx context.Context, client gauge.GaugeClient) error {
	stream, err := client.Follow(ctx)
	if err != nil {
		return err
	}
	for i := range 20 {
		if err := stream.Send(&gauge.Place{Name: "willow"}); err != nil {
			return fmt.Errorf("Follow %d: %v", i, err)
		}
		if l, err := stream.Recv(); err != nil || l.Millimetres != 2075 {
			return fmt.Errorf("Follow %d = %v, %v, want 2075", i, l, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("Follow ends with %v, want EOF", err)
	}
	return nil
}

// errorsCome: a status is a trailer, or all there is to an answer.
func errorsCome(t *testing.T, client gauge.GaugeClient) {
	_, err := client.Read(t.Context(), &gauge.Place{Name: "nowhere"})
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != `no gauge stands at "nowhere"` {
		t.Errorf("Read of nowhere: %v, want NotFound", err)
	}
	stream, err := client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"alder", "nowhere"} { // after the head, in trailers
		if err := stream.Send(&gauge.Place{Name: place}); err != nil {
			t.Fatal(err)
		}
		if _, err = stream.Recv(); place == "alder" && err != nil {
			t.Fatal(err)
		}
	}
	if s := status.Convert(err); s.Code() != codes.NotFound {
		t.Errorf("Follow to nowhere: %v, want NotFound", err)
	}
}

// cancellations: whoever answers learns soon that nobody listens.
func cancellations(t *testing.T, client gauge.GaugeClient, station *counting, n int) {
	station.Pace = time.Hour // one level and then silence
	var slowest time.Duration
	for range n {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.Watch(ctx, &gauge.Watching{Place: "alder"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		cancel()
		if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("Watch after cancel: %v, want Canceled", err)
		}
		ends(t, station)
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("%d cancelled; the server knew within %v", n, slowest)
}

// deadlines: as cancellations, but time ends the calls, maybe before they begin.
func deadlines(t *testing.T, client gauge.GaugeClient, station *counting, n int) {
	station.Pace = time.Hour
	var slowest time.Duration
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		stream, err := client.Watch(ctx, &gauge.Watching{Place: "alder"})
		for err == nil {
			_, err = stream.Recv()
		}
		start := time.Now()
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("Watch after its deadline: %v, want DeadlineExceeded", err)
		}
		ends(t, station)
		slowest = max(slowest, time.Since(start))
		cancel()
	}
	t.Logf("%d deadlines; the server knew within %v", n, slowest)
}

// ends waits until every Watch that has begun at the server has ended, and in failure.
func ends(t *testing.T, station *counting) {
	t.Helper()
	for ; station.begun.Load() > 0; station.begun.Add(-1) {
		select {
		case err := <-station.ended:
			if code := status.Code(err); code != codes.Canceled && code != codes.DeadlineExceeded && code != codes.Unavailable {
				t.Errorf("Watch ended with %v at the server, want it cut short", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("five seconds later the server still watches")
		}
	}
}

// large sends more than fits into any window or buffer on the way.
func large(t *testing.T, client gauge.GaugeClient) {
	stream, err := client.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := string(make([]byte, 1<<20))
	for range 16 {
		if err := stream.Send(&gauge.Level{Place: name, Millimetres: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if sum, err := stream.CloseAndRecv(); err != nil || sum.Count != 16 {
		t.Errorf("Report of 16 MiB = %v, %v, want 16 levels", sum, err)
	}
}
