// Package gauge says how high water stands, over gRPC: one call of each kind.
// gauge.pb.go and gauge_grpc.pb.go are made from gauge.proto:
//
//	protoc --go_out=. --go_opt=paths=source_relative \
//	    --go-grpc_out=. --go-grpc_opt=paths=source_relative gauge/gauge.proto
package gauge

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// levels are what the gauges show, in millimetres.
var levels = map[string]int32{"alder": 1420, "birch": 860, "willow": 2075}

// Station answers the calls of Gauge. Make it with a Pace, or use the zero Station.
type Station struct {
	UnimplementedGaugeServer
	// Pace is the time between two levels of Watch; 0: as fast as the caller reads.
	Pace time.Duration
}

// Read tells one level. Its trailer says who read it.
func (s *Station) Read(ctx context.Context, p *Place) (*Level, error) {
	if err := grpc.SetTrailer(ctx, metadata.Pairs("read-by", "station")); err != nil {
		return nil, err
	}
	return level(p.Name)
}

// Watch tells levels until there were enough, or the caller has left.
func (s *Station) Watch(w *Watching, out grpc.ServerStreamingServer[Level]) error {
	for n := int32(0); w.Count == 0 || n < w.Count; n++ {
		l, err := level(w.Place)
		if err != nil {
			return err
		}
		l.Millimetres += n
		if err := out.Send(l); err != nil {
			return err
		}
		select {
		case <-out.Context().Done():
			return status.FromContextError(out.Context().Err()).Err()
		case <-time.After(s.Pace):
		}
	}
	return nil
}

// Report takes levels until the caller has no more.
func (s *Station) Report(in grpc.ClientStreamingServer[Level, Summary]) error {
	sum := new(Summary)
	for {
		l, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		sum.Count, sum.Highest = sum.Count+1, max(sum.Highest, l.Millimetres)
	}
}

// Follow answers each place with its level, until the caller has no more.
func (s *Station) Follow(stream grpc.BidiStreamingServer[Place, Level]) error {
	for {
		p, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		l, err := level(p.Name)
		if err != nil {
			return err
		}
		if err := stream.Send(l); err != nil {
			return err
		}
	}
}

func level(place string) (*Level, error) {
	mm, ok := levels[place]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no gauge stands at %q", place)
	}
	return &Level{Place: place, Millimetres: mm}, nil
}
