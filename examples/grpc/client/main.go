// Client asks for levels by calls of each kind, over TLS.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"example.com/gauge/gauge"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "localhost:8443", "where weir listens")
	root := flag.String("root", "", "PEM file with the root to trust; default: the system's")
	follow := flag.Bool("follow", false, "ask for each place that a line of the input names")
	flag.Parse()
	conn, err := dial(*addr, *root)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := gauge.NewGaugeClient(conn)
	if *follow {
		err = followLines(context.Background(), client)
	} else {
		err = tour(context.Background(), client)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func dial(addr, root string) (*grpc.ClientConn, error) {
	conf := new(tls.Config)
	if root != "" {
		pem, err := os.ReadFile(root)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read %s: no certificate in it", root)
		}
	}
	return grpc.NewClient(addr, grpc.WithTransportCredentials(credentials.NewTLS(conf)))
}

// tour makes one call of each kind.
func tour(ctx context.Context, client gauge.GaugeClient) error {
	l, err := client.Read(ctx, &gauge.Place{Name: "alder"})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	fmt.Println("read  ", l.Place, l.Millimetres)

	watch, err := client.Watch(ctx, &gauge.Watching{Place: "birch", Count: 3})
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	for l, err = watch.Recv(); err == nil; l, err = watch.Recv() {
		fmt.Println("watch ", l.Place, l.Millimetres)
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("watch: %w", err)
	}

	report, err := client.Report(ctx)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for mm := range int32(5) {
		if err := report.Send(&gauge.Level{Place: "willow", Millimetres: 2000 + mm}); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	sum, err := report.CloseAndRecv()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	fmt.Println("report", sum.Count, "levels, the highest", sum.Highest)

	stream, err := client.Follow(ctx)
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	for _, place := range []string{"alder", "birch", "willow"} {
		if err := stream.Send(&gauge.Place{Name: place}); err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		if l, err = stream.Recv(); err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		fmt.Println("follow", l.Place, l.Millimetres)
	}
	return stream.CloseSend()
}

// followLines asks over one stream for as long as there is input.
func followLines(ctx context.Context, client gauge.GaugeClient) error {
	stream, err := client.Follow(ctx)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := stream.Send(&gauge.Place{Name: lines.Text()}); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		l, err := stream.Recv() // tells why, where Send could not
		if err != nil {
			return err
		}
		fmt.Println(l.Place, l.Millimetres)
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("end of the stream: %w", err)
	}
	return nil
}
