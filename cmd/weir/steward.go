package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// steward gives memory back when it is calm. The collector lets the heap grow to
// five times what lives, which is right under load; but after a burst (a reload, a
// thousand handshakes) it would stay that large until the next one, and what
// sync.Pools hold on to stays as well. Now and then it has plugins let go of instances
// that nobody needs.
type steward struct {
	trim    func()
	samples []metrics.Sample
	allocs  uint64    // as of the last look
	left    time.Time // when memory was last given back
	stop    chan struct{}
	done    chan struct{}
}

const (
	stewardTick  = 500 * time.Millisecond
	stewardCalm  = 1 << 20 // bytes allocated per tick
	stewardWorth = 8 << 20 // bytes of garbage that are worth a collection
	stewardPause = 10 * time.Second
	stewardTrim  = 30 * time.Second
)

func startSteward(trim func()) *steward {
	s := &steward{
		trim:    trim,
		samples: []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}},
		stop:    make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

func (s *steward) close() {
	close(s.stop)
	<-s.done
}

func (s *steward) run() {
	defer close(s.done)
	t := time.NewTicker(stewardTick)
	defer t.Stop()
	trimmed := time.Now()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			if now.Sub(trimmed) >= stewardTrim {
				trimmed = now
				s.trim()
			}
			if s.due(now) {
				// Two collections: the first moves what pools hold to their victims,
				// the second, which FreeOSMemory does, frees it.
				runtime.GC()
				debug.FreeOSMemory()
				s.left = time.Now()
			}
		}
	}
}

// due tells whether next to nothing is going on and there is something to give back.
func (s *steward) due(now time.Time) bool {
	metrics.Read(s.samples)
	value := func(i int) uint64 { return s.samples[i].Value.Uint64() }
	allocs, live, objects, free := value(0), value(1), value(2), value(3)
	calm := allocs-s.allocs < stewardCalm
	s.allocs = allocs
	return calm && now.Sub(s.left) >= stewardPause && (objects > live+stewardWorth || free > 2*stewardWorth)
}
