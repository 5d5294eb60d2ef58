package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// portOf is the TCP port of a listener; 0: it has none, or it is known to others only.
func portOf(l config.Listener) int {
	if strings.HasPrefix(l.Address, "unix:") || strings.HasPrefix(l.Address, "systemd:") || strings.HasPrefix(l.Address, "fd:") {
		return 0
	}
	_, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}

// portsOf are the TCP ports of listeners, each once.
func portsOf(all []config.Listener) (list []int) {
	for _, l := range all {
		if p := portOf(l); p > 0 {
			list = append(list, p)
		}
	}
	return list
}

// listensIPv6 tells whether any of the listeners takes IPv6.
func listensIPv6(all []config.Listener) bool {
	for _, l := range all {
		host, _, err := net.SplitHostPort(l.Address)
		if ip := net.ParseIP(host); portOf(l) == 0 || err == nil && (host == "" || host == "localhost" || ip != nil && ip.To4() == nil) {
			return true
		}
	}
	return false
}

// reachable is where a listener can be reached from this machine.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		return net.JoinHostPort("127.0.0.1", port)
	case ip != nil && ip.IsUnspecified():
		return net.JoinHostPort("::1", port)
	}
	return address
}

func (d *doctor) listenerExams() (all []exam) {
	for _, l := range append(d.c.Listen.HTTP[:len(d.c.Listen.HTTP):len(d.c.Listen.HTTP)], d.c.Listen.HTTPS...) {
		if portOf(l) == 0 {
			continue
		}
		all = append(all, exam{check: "port", subject: l.Address, do: func(ctx context.Context) []finding { return d.examineListener(ctx, l) }})
		if l.HTTP3 {
			all = append(all, exam{check: "http3", subject: l.Address + "/udp", do: func(ctx context.Context) []finding { return d.examineUDP(ctx, l) }})
		}
	}
	return all
}

func (d *doctor) examineListener(ctx context.Context, l config.Listener) []finding {
	taken, running := listens(ctx, reachable(l.Address)), d.running.Load()
	switch {
	case taken && running:
		return one(fine, "somebody listens, and weir runs", "")
	case taken:
		return one(warning, "somebody listens, but no weir answers at "+d.client().address, "if that is another program, weir cannot start: ss -ltnp says which it is")
	case running:
		return one(wrong, "nobody listens, though weir runs", "is this its configuration? weir reload, and see its log")
	case portOf(l) < lowPort() && !mayBindLow():
		return one(warning, fmt.Sprintf("nobody listens, and this user (%d) may not open ports under %d", os.Getuid(), lowPort()),
			"as a service: AmbientCapabilities=CAP_NET_BIND_SERVICE; by hand: setcap cap_net_bind_service=+ep on the program")
	}
	return one(fine, "nobody listens: it is free for weir", "")
}

// examineUDP asks for QUIC in a version that does not exist, to which every server says
// which versions do (RFC 9000 §6.1). Only a note: HTTP/3 gets no certificates.
func (d *doctor) examineUDP(ctx context.Context, l config.Listener) []finding {
	if !d.running.Load() && !listens(ctx, reachable(l.Address)) {
		return one(fine, "nobody is there to ask", "")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", reachable(l.Address))
	if err != nil {
		return one(fine, err.Error(), "")
	}
	defer conn.Close()
	packet := make([]byte, 1200)
	_, _ = rand.Read(packet)
	copy(packet, []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8})
	packet[14] = 8
	reply := make([]byte, 1500)
	for range 3 {
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		if _, err = conn.Write(packet); err == nil {
			var n int
			if n, err = conn.Read(reply); err == nil && n >= 7 && reply[0]&0x80 != 0 && [4]byte(reply[1:5]) == [4]byte{} {
				return one(fine, "QUIC answers here; whether the way from outside is open only outside can tell", "")
			}
		}
	}
	return one(fine, "QUIC does not answer: clients stay with HTTP/2", "open the UDP port, too, if HTTP/3 is wanted")
}

// examineDir looks at a directory that weir keeps things in.
func examineDir(dir string, needed bool) []finding {
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err) && !needed:
		return one(fine, "not there, and not needed", "")
	case os.IsNotExist(err):
		return examineParent(filepath.Dir(dir))
	case err != nil:
		return one(wrong, err.Error(), hintFor(err))
	case !info.IsDir():
		return one(wrong, "it is no directory", "set data: or WEIR_DATA_DIR")
	case !writable(dir):
		return one(wrong, fmt.Sprintf("user %d may not write there", os.Getuid()), ownerHint(info, dir))
	}
	all := []finding{}
	if p := info.Mode().Perm(); p&0o022 != 0 {
		all = append(all, finding{Level: warning, Found: fmt.Sprintf("others may write there (mode %#o)", p), Hint: "chmod 700 " + dir})
	}
	free, known := freeBytes(dir)
	if known && free < 64<<20 {
		l := warning
		if free < 1<<20 {
			l = wrong
		}
		all = append(all, finding{Level: l, Found: fmt.Sprintf("only %d MiB are free", free>>20), Hint: "make room: certificates cannot be kept on a full disk"})
	}
	if len(all) == 0 {
		all = one(fine, fmt.Sprintf("mode %#o, user %d may write", info.Mode().Perm(), os.Getuid()), ownerHint(info, dir))
	}
	return all
}

// examineParent looks at where a directory is still to be made.
func examineParent(dir string) []finding {
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	if !writable(dir) {
		return one(wrong, fmt.Sprintf("not there, and user %d may not make it in %s", os.Getuid(), dir), "set data: or WEIR_DATA_DIR to what weir's user may write, or run weir doctor as that user")
	}
	return one(fine, "not there yet; weir makes it at its first start", "")
}
