package http1

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// lookout notices at once what happens on sockets that nobody reads: that clients leave
// whose exchanges have asked to be told, and that upstreams answer while more of a
// request's body is waited for. Sockets are registered once in their lives. Go's own
// poller waits for the epoll descriptor: one goroutine, and no thread.
type lookout struct {
	mu     sync.Mutex // guards what follows, and keeps the descriptor open while it is used
	fd     int
	file   *os.File // of fd; nil before the first socket
	conns  map[uint64]noticing
	last   uint64 // serial numbers tell sockets apart: descriptors are used again
	closed bool
	done   chan struct{}
}

const (
	// departs is for the ends of connections only and edge-triggered, so that requests
	// and answers cost nothing here.
	departs = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR | unix.EPOLLET
	// speaks is for one event: the next one has to be asked for.
	speaks = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT
)

// add registers who with its socket and returns a serial number, or 0: then nothing
// will be noticed.
func (l *lookout) add(socket syscall.RawConn, events uint32, who noticing) (serial uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil && !l.closed {
		l.closed = !l.start()
	}
	if l.closed {
		return 0
	}
	l.last++
	l.conns[l.last] = who
	if !l.control(unix.EPOLL_CTL_ADD, socket, events, l.last) {
		delete(l.conns, l.last)
		return 0
	}
	return l.last
}

// again asks for the next event of who is registered for one.
func (l *lookout) again(serial uint64, socket syscall.RawConn, events uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.control(unix.EPOLL_CTL_MOD, socket, events, serial)
	}
}

func (l *lookout) control(op int, socket syscall.RawConn, events uint32, serial uint64) bool {
	event := unix.EpollEvent{Events: events, Fd: int32(uint32(serial)), Pad: int32(uint32(serial >> 32))}
	var err error
	e := socket.Control(func(fd uintptr) { err = unix.EpollCtl(l.fd, op, int(fd), &event) })
	return e == nil && err == nil
}

func (l *lookout) start() bool {
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
	l.fd, l.file, l.conns, l.done = fd, file, map[uint64]noticing{}, make(chan struct{})
	go l.run(raw)
	return true
}

// remove forgets a connection. Its socket leaves with its descriptor.
func (l *lookout) remove(serial uint64) {
	l.mu.Lock()
	delete(l.conns, serial)
	l.mu.Unlock()
}

func (l *lookout) run(raw syscall.RawConn) {
	defer close(l.done)
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
			l.mu.Lock()
			who := l.conns[uint64(uint32(e.Pad))<<32|uint64(uint32(e.Fd))]
			l.mu.Unlock()
			if who != nil {
				who.notice()
			}
		}
	}
}

// close ends the goroutine.
func (l *lookout) close() {
	l.mu.Lock()
	file := l.file
	if !l.closed && file != nil {
		file.Close()
	}
	l.closed = true
	l.mu.Unlock()
	if file != nil {
		<-l.done
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
