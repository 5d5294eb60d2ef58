package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// pairTries bounds the search for a port that is free for both TCP and UDP.
const pairTries = 32

// Options are the settings of an Opener. The zero value is usable.
type Options struct {
	// Log hears of things that work less well than they could: UDP buffers that
	// the kernel keeps small. nil is silent.
	Log *slog.Logger
	// KeepAlive is how long a TCP connection is idle before the kernel asks
	// whether its peer is still there; 0 means 30 s, negative never.
	KeepAlive time.Duration
}

// Opener opens sockets. It lives as long as the process and holds what was
// inherited from systemd or another parent. Its methods are safe for concurrent
// use.
type Opener struct {
	log       *slog.Logger
	keepAlive time.Duration
	inherited inherited
	small     sync.Once // the warning about small UDP buffers
}

// NewOpener takes over the sockets of socket activation (LISTEN_FDS) and removes
// those variables from the environment, so that children do not see them. Call it
// once per process, before other files are opened.
func NewOpener(o Options) *Opener {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 30 * time.Second
	}
	p := &Opener{log: o.Log, keepAlive: o.KeepAlive}
	p.inherited.activate()
	return p
}

// Stream opens a stream socket, TCP or unix, that is ready to accept. See Key for
// the forms of addr. The caller closes it. Errors say what to do about them.
func (o *Opener) Stream(addr string) (*Socket, error) {
	a, err := parse(addr)
	if err != nil {
		return nil, err
	}
	switch a.kind {
	case kindSystemd, kindFD:
		l, back, err := o.inherited.stream(&a)
		if err != nil {
			return nil, fmt.Errorf("listen %s: %w", addr, err)
		}
		return newSocket(a.key(), l, back), nil
	case kindUnix:
		l, remove, err := listenUnix(&a)
		if err != nil {
			return nil, explain(&a, "", err)
		}
		return newSocket(a.key(), l, remove), nil
	}
	return o.tcp(&a)
}

// Packet opens a UDP socket with buffers large enough for QUIC. addr is an IP
// address with port, "systemd:name" or "fd:N". The caller closes it.
func (o *Opener) Packet(addr string) (*PacketSocket, error) {
	a, err := parse(addr)
	if err != nil {
		return nil, err
	}
	switch a.kind {
	case kindUnix:
		return nil, badAddress(addr, "a unix socket takes no UDP, so no HTTP/3")
	case kindSystemd, kindFD:
		c, back, err := o.inherited.packet(&a)
		if err != nil {
			return nil, fmt.Errorf("listen %s: %w", addr, err)
		}
		return o.packetSocket(&a, c, back), nil
	}
	return o.udp(&a)
}

// Pair opens TCP and UDP on the same port, as HTTPS with HTTP/3 needs it. For
// port 0 it looks for a port that is free for both.
func (o *Opener) Pair(addr string) (*Socket, *PacketSocket, error) {
	a, err := parse(addr)
	if err != nil {
		return nil, nil, err
	}
	free := a.kind == kindIP && a.port == 0
	for try := 1; ; try++ {
		stream, err := o.Stream(addr)
		if err != nil {
			return nil, nil, err
		}
		udpAddr := addr
		if free {
			udpAddr = net.JoinHostPort(a.host, portOf(stream.Addr()))
		}
		packet, err := o.Packet(udpAddr)
		if err == nil {
			packet.key = a.key()
			return stream, packet, nil
		}
		_ = stream.Close()
		if !free || try == pairTries || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}

func portOf(a net.Addr) string {
	return strconv.Itoa(a.(*net.TCPAddr).Port)
}

func (o *Opener) tcp(a *address) (*Socket, error) {
	lc := net.ListenConfig{
		KeepAliveConfig: net.KeepAliveConfig{Enable: o.keepAlive > 0, Idle: o.keepAlive, Interval: o.keepAlive / 2, Count: 4},
		KeepAlive:       -1,
		Control:         controlTCP(o.keepAlive),
	}
	if inheritsKeepAlive {
		lc.KeepAliveConfig.Enable = false
	}
	// Go would choose Multipath TCP, on whose listeners older kernels refuse the
	// options of keep-alive.
	lc.SetMultipathTCP(false)
	network := a.network(true)
	l, err := lc.Listen(context.Background(), network, a.key())
	if err != nil {
		return nil, explain(a, network, err)
	}
	return newSocket(a.key(), l.(*net.TCPListener), nil), nil
}

func (o *Opener) udp(a *address) (*PacketSocket, error) {
	network := a.network(false)
	var lc net.ListenConfig
	c, err := lc.ListenPacket(context.Background(), network, a.key())
	if err != nil {
		return nil, explain(a, network, err)
	}
	return o.packetSocket(a, c.(*net.UDPConn), nil), nil
}

func (o *Opener) packetSocket(a *address, c *net.UDPConn, closed func()) *PacketSocket {
	if got := growBuffers(c); got < udpBuffer {
		o.small.Do(func() {
			o.log.Warn("small UDP buffers", "key", a.key(), "bytes", got, "wanted", udpBuffer,
				"hint", "HTTP/3 loses packets under load; run: sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000")
		})
	}
	return &PacketSocket{UDPConn: c, key: a.key(), closed: closed}
}

// explain turns the errors that people meet into errors that say what to do.
func explain(a *address, network string, err error) error {
	where := "listen " + a.key()
	if network != "" {
		where = "listen " + network + " " + a.key()
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		if _, ok := errors.AsType[*net.DNSError](err); ok {
			return fmt.Errorf("%s: host name %q has no address: %w", where, a.host, err)
		}
		return fmt.Errorf("%s: %w", where, err)
	}
	if hint := hintFor(a, network, errno); hint != "" {
		return fmt.Errorf("%s: %w: %s", where, errno, hint)
	}
	return fmt.Errorf("%s: %w", where, err)
}

func hintFor(a *address, network string, errno syscall.Errno) string {
	switch errno {
	case syscall.EACCES, syscall.EPERM:
		if a.kind == kindUnix {
			return "weir's user may not write to the directory of the socket"
		}
		program, _ := os.Executable()
		return "ports under 1024 need the capability CAP_NET_BIND_SERVICE: run `setcap cap_net_bind_service=+ep " + program +
			"`, or set AmbientCapabilities= in the systemd unit, or listen on a higher port"
	case syscall.EADDRINUSE:
		if a.kind == kindUnix {
			return "a running program answers on this socket; stop it, or choose another path"
		}
		if who := portOwner(network, a.port); who != "" {
			return who + " listens there; stop it, or choose another port"
		}
		return fmt.Sprintf("another program listens there; find it with `ss -lnp 'sport = :%d'`, or choose another port", a.port)
	case syscall.EADDRNOTAVAIL:
		return "this machine has no such address; `ip address` shows those it has"
	case syscall.EMFILE, syscall.ENFILE:
		return "too many files are open: raise LimitNOFILE= or `ulimit -n`"
	case syscall.ENOENT:
		return "the directory of the socket does not exist"
	}
	return ""
}
