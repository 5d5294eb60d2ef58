package edge

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/listen"
)

// socket is an open listener. It stays over reloads as long as its address does.
type socket struct {
	stream *listen.Socket
	packet *listen.PacketSocket // nil without HTTP/3; guarded by Server.mu
	entry  atomic.Pointer[entry]
}

// entry is what the current snapshot says of a socket. Connections look at it
// when they are accepted.
type entry struct {
	Listener
	altSvc string
}

// socketKey names a socket over reloads. A port that the kernel chooses is as many
// sockets as there are listeners.
func socketKey(address string, index int) string {
	key, err := listen.Key(address)
	if err != nil {
		return address // opening it will say what is wrong
	}
	if strings.HasSuffix(key, ":0") {
		key += "#" + strconv.Itoa(index)
	}
	return key
}

// open opens what listeners need and is not open yet: all of it or nothing.
func (s *Server) open(listeners []Listener) (opened map[string]*socket, err error) {
	opened = map[string]*socket{}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range undo {
				f()
			}
		}
	}()
	seen := map[string]bool{}
	for i, l := range listeners {
		key := socketKey(l.Address, i)
		if seen[key] {
			return nil, fmt.Errorf("listen %s: named twice", l.Address)
		}
		seen[key] = true
		have := s.sockets[key]
		switch {
		case have != nil && (!l.HTTP3 || have.packet != nil):
		case have != nil:
			packet, err := s.opener.Packet(have.stream.Addr().String())
			if err != nil {
				return nil, err
			}
			undo = append(undo, packet.Close)
			opened[key] = &socket{packet: packet}
		case l.HTTP3:
			stream, packet, err := s.opener.Pair(l.Address)
			if err != nil {
				return nil, err
			}
			undo = append(undo, stream.Close, packet.Close)
			opened[key] = &socket{stream: stream, packet: packet}
		default:
			stream, err := s.opener.Stream(l.Address)
			if err != nil {
				return nil, err
			}
			undo = append(undo, stream.Close)
			opened[key] = &socket{stream: stream}
		}
	}
	return opened, nil
}

// serve brings the sockets in line with listeners. It cannot fail half-way: what
// could fail has been done by open.
func (s *Server) serve(listeners []Listener, opened map[string]*socket) {
	wanted := map[string]bool{}
	for i, l := range listeners {
		key := socketKey(l.Address, i)
		wanted[key] = true
		k, fresh := s.sockets[key], opened[key]
		if k == nil {
			k = &socket{stream: fresh.stream}
			s.sockets[key] = k
		}
		e := &entry{Listener: l}
		if fresh != nil && fresh.packet != nil {
			s.startQUIC(k, fresh.packet)
		}
		if !l.HTTP3 {
			s.stopQUIC(k)
		}
		if k.packet != nil {
			e.altSvc = altSvc(k.stream.Addr())
		}
		started := k.entry.Swap(e) != nil
		if !started {
			s.loops.Go(func() { s.accept(k) })
		}
	}
	for key, k := range s.sockets {
		if !wanted[key] {
			k.stream.Close()
			s.stopQUIC(k)
			delete(s.sockets, key)
		}
	}
}

func (s *Server) startQUIC(k *socket, packet *listen.PacketSocket) {
	if err := s.h3.Listen(packet, s.quicTLS); err != nil {
		s.log.Error("http3 not served", "addr", packet.LocalAddr().String(), "err", err)
		packet.Close()
		return
	}
	k.packet = packet
}

func (s *Server) stopQUIC(k *socket) {
	packet := k.packet
	if packet == nil {
		return
	}
	k.packet = nil
	s.loops.Go(func() {
		ctx, cancel := context.WithTimeout(s.patient, s.options.Drain)
		defer cancel()
		s.h3.Remove(ctx, packet)
		packet.Close()
	})
}

// altSvc says that the same port speaks HTTP/3 (RFC 7838, RFC 9114 §3.1).
func altSvc(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return ""
	}
	return `h3=":` + strconv.Itoa(t.Port) + `"; ma=86400`
}

func (s *Server) accept(k *socket) {
	err := k.stream.Serve(
		func(c net.Conn) { go s.serveConn(k.entry.Load(), c) },
		func(err error) { s.log.Warn("accept", "addr", k.stream.Addr().String(), "err", err) },
	)
	if err != nil && !isClosed(err) {
		s.log.Error("listener lost", "addr", k.stream.Addr().String(), "err", err)
	}
}
