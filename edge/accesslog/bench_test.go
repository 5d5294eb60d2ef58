package accesslog_test

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/accesslog"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func request() *exchange.Request {
	r := exchangetest.NewRequest("GET", "https://example.com/a/b?q=1&page=2",
		exchangetest.Field("accept", "text/html"), exchangetest.Field("accept-encoding", "gzip, br"),
		exchangetest.Field("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
		exchangetest.Field("referer", "https://example.com/"))
	r.Record = exchange.Record{Number: 1 << 60, Start: time.Now(), Site: "example.com", Route: "/", Status: 200, Sent: 1024, Took: 123 * time.Microsecond}
	return r
}

func BenchmarkObserve(b *testing.B) {
	for _, format := range []accesslog.Format{accesslog.Console, accesslog.JSON, accesslog.CLF, accesslog.Combined} {
		b.Run(string(format), func(b *testing.B) {
			l, err := accesslog.New(accesslog.Options{Format: format, Writer: nowhere{}})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			r := request()
			b.ReportAllocs()
			for b.Loop() {
				l.Observe(r)
			}
			b.ReportMetric(float64(l.Dropped())/float64(b.N), "lost/op")
		})
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	l, err := accesslog.New(accesslog.Options{Format: accesslog.JSON, Writer: nowhere{}})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for r := request(); pb.Next(); {
			l.Observe(r)
		}
	})
}
