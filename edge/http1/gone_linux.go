package http1

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// departures notices at once that clients leave whose exchanges have asked to be told.
// A socket is registered once in its life, for the ends of connections only and
// edge-triggered, so that requests and answers cost nothing here. Go's own poller
// waits for the epoll descriptor: one goroutine, and no thread.
type departures struct {
	mu     sync.Mutex // guards what follows, and keeps the descriptor open while it is used
	fd     int
	file   *os.File // of fd; nil before the first client
	conns  map[uint64]*conn
	last   uint64 // serial numbers tell clients apart: descriptors are used again
	closed bool
	done   chan struct{}
}

const ends = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

// add registers c and returns its serial number, or 0: then the sweeper has to look.
func (d *departures) add(c *conn) (serial uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil && !d.closed {
		d.closed = !d.start()
	}
	if d.closed {
		return 0
	}
	d.last++
	d.conns[d.last] = c
	event := unix.EpollEvent{Events: ends | unix.EPOLLET, Fd: int32(uint32(d.last)), Pad: int32(uint32(d.last >> 32))}
	var err error
	if e := c.sys.Control(func(fd uintptr) { err = unix.EpollCtl(d.fd, unix.EPOLL_CTL_ADD, int(fd), &event) }); e != nil || err != nil {
		delete(d.conns, d.last)
		return 0
	}
	return d.last
}

func (d *departures) start() bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	unix.SetNonblock(fd, true) // which makes NewFile ask Go's poller
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return false
	}
	d.fd, d.file, d.conns, d.done = fd, file, map[uint64]*conn{}, make(chan struct{})
	go d.run(raw)
	return true
}

// remove forgets a client. Its socket leaves with its descriptor.
func (d *departures) remove(serial uint64) {
	d.mu.Lock()
	delete(d.conns, serial)
	d.mu.Unlock()
}

func (d *departures) run(raw syscall.RawConn) {
	defer close(d.done)
	var events [64]unix.EpollEvent
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			d.mu.Lock()
			c := d.conns[uint64(uint32(e.Pad))<<32|uint64(uint32(e.Fd))]
			d.mu.Unlock()
			if c != nil {
				c.leave()
			}
		}
	}
}

// close ends the goroutine.
func (d *departures) close() {
	d.mu.Lock()
	file := d.file
	if !d.closed && file != nil {
		file.Close()
	}
	d.closed = true
	d.mu.Unlock()
	if file != nil {
		<-d.done
	}
}

// gone tells whether the other end has closed the connection or its sending half.
// Bytes that wait to be read are left alone.
func gone(c syscall.RawConn) bool {
	left := false
	err := c.Control(func(fd uintptr) {
		set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(set[:], 0)
		left = err == nil && n == 1 && set[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err == nil && left
}
