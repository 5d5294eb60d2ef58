package listen

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// inherited holds the sockets that the parent process left open for us. They
// stay open for the life of the process; users get duplicates, one at a time.
type inherited struct {
	mu    sync.Mutex // guards all below and used of each entry
	files []*entry
}

type entry struct {
	file *os.File
	fd   int
	name string // FileDescriptorName=; "" for one that did not come from systemd
	kind socketKind
	used bool
}

type socketKind uint8

const (
	otherSocket socketKind = iota
	streamSocket
	packetSocket
)

func (k socketKind) String() string {
	return [...]string{"other", "stream", "datagram"}[k]
}

// firstFD is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstFD = 3

func (h *inherited) activate() {
	for i, f := range activation.Files(true) {
		h.files = append(h.files, &entry{file: f, fd: firstFD + i, name: f.Name(), kind: kindOf(f)})
	}
}

// stream returns a listener on the entry that a names, and the function that
// gives the entry back.
func (h *inherited) stream(a *address) (stoppable, func(), error) {
	e, err := h.take(a, streamSocket)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.FileListener(e.file)
	if err != nil {
		h.release(e)
		return nil, nil, err
	}
	s, ok := l.(stoppable)
	if !ok {
		_ = l.Close()
		h.release(e)
		return nil, nil, fmt.Errorf("%T is neither TCP nor unix", l)
	}
	return s, func() { h.release(e) }, nil
}

func (h *inherited) packet(a *address) (*net.UDPConn, func(), error) {
	e, err := h.take(a, packetSocket)
	if err != nil {
		return nil, nil, err
	}
	c, err := net.FilePacketConn(e.file)
	if err != nil {
		h.release(e)
		return nil, nil, err
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		_ = c.Close()
		h.release(e)
		return nil, nil, fmt.Errorf("%T is not UDP", c)
	}
	return udp, func() { h.release(e) }, nil
}

func (h *inherited) release(e *entry) {
	h.mu.Lock()
	e.used = false
	h.mu.Unlock()
}

func (h *inherited) take(a *address, want socketKind) (*entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, err := h.find(a, want)
	if err != nil {
		return nil, err
	}
	if e.used {
		return nil, fmt.Errorf("fd %d is in use by another listener", e.fd)
	}
	e.used = true
	return e, nil
}

func (h *inherited) find(a *address, want socketKind) (*entry, error) {
	if a.kind == kindFD {
		return h.byNumber(a.fd, want)
	}
	var found []*entry
	for _, e := range h.files {
		if e.name == a.name && e.kind == want {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("systemd passed no %s socket of that name; %s", want, h.list())
	}
	var numbers []string
	for _, e := range found {
		numbers = append(numbers, "fd:"+strconv.Itoa(e.fd))
	}
	return nil, fmt.Errorf("systemd passed %d %s sockets of that name: give each its own socket unit with FileDescriptorName=, or write %s",
		len(found), want, strings.Join(numbers, " and "))
}

func (h *inherited) byNumber(fd int, want socketKind) (*entry, error) {
	for _, e := range h.files {
		if e.fd == fd {
			return e, e.mustBe(want)
		}
	}
	f, err := adopt(fd)
	if err != nil {
		return nil, err
	}
	e := &entry{file: f, fd: fd, kind: kindOf(f)}
	h.files = append(h.files, e)
	return e, e.mustBe(want)
}

func (e *entry) mustBe(want socketKind) error {
	if e.kind != want {
		return fmt.Errorf("fd %d is no %s socket that listens, but %s", e.fd, want, e.kind)
	}
	return nil
}

func (h *inherited) list() string {
	var names []string
	for _, e := range h.files {
		if e.name != "" {
			names = append(names, fmt.Sprintf("%s (%s)", e.name, e.kind))
		}
	}
	if names == nil {
		return "it passed none at all: is the socket unit enabled, and does it start this service?"
	}
	return "it passed " + strings.Join(names, ", ")
}
