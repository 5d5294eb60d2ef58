package weir

import (
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// guest is one instance: what a host calls. Everything in it belongs to whoever is
// inside of it.
type guest struct {
	makers  map[string]maker // of filters, by root id
	roots   map[uint32]*root
	streams table
	lates   map[uint32]*late // answers of weir's functions, by token
	calls   map[uint32]*late // answers to calls of the plain ABI, by token
	sleeps  []*sleep         // where there are no timers but ticks
	current *task            // that is running; nil: none
	busy    int              // tasks that are not over
	idle    []*worker
	spare   [][]byte // memory for what transforms write
	blank   []stream // memory for streams to come
	metrics map[string]uint32
	host    hostKind
	outside outside

	argument []byte // of the call that is being made: memory that is used again
}

type hostKind uint8

const (
	unknownHost hostKind = iota
	isWeir
	isOther
)

// maker makes a filter of a configuration.
type maker func(*Config) (Filter, error)

// root is a use of the plugin, with its configuration.
type root struct {
	id     uint32
	filter Filter
	tasks  []*task // in the background
	tick   int64   // when the host ticks next; 0: it does not
}

func newGuest(makers map[string]maker) *guest {
	return &guest{
		makers: makers, roots: map[uint32]*root{},
		lates: map[uint32]*late{}, calls: map[uint32]*late{}, metrics: map[string]uint32{},
	}
}

// inside is the guest that has been entered.
var inside *guest

// enter says that g is entered; leave says that it is about to be left.
func (g *guest) enter() { inside = g }

func (g *guest) leave() {
	if g.outside.live > 0 || g.outside.more {
		g.pump()
	}
}

// onWeir tells whether the host is weir. It is asked once.
func (g *guest) onWeir() bool {
	if g.host == unknownHost {
		g.host = isOther
		if b, st := host.Foreign(ext.Hello, nil); st == abi.OK {
			if f := ext.Read(b); f.Uint() >= 1 {
				g.host = isWeir
			}
		}
	}
	return g.host == isWeir
}

// OnContextCreate implements host.Guest.
func (g *guest) OnContextCreate(id, parent uint32) {
	g.enter()
	defer g.leave()
	if parent == 0 {
		g.roots[id] = &root{id: id}
		return
	}
	s := g.newStream(id)
	s.root = g.roots[parent]
	g.streams.put(s)
}

// OnVMStart implements host.Guest.
func (g *guest) OnVMStart(root uint32, size int) bool {
	g.enter()
	defer g.leave()
	return true
}

// OnConfigure implements host.Guest.
func (g *guest) OnConfigure(id uint32, size int) bool {
	g.enter()
	defer g.leave()
	rt := g.roots[id]
	if rt == nil {
		return false
	}
	name, _ := host.Property("plugin_root_id")
	make := g.makers[string(name)]
	if make == nil {
		make = g.makers[""]
	}
	if make == nil {
		host.Log(abi.Error, "there is no filter "+quote(string(name))+" in this module; it has "+g.names())
		return false
	}
	var text []byte
	if size > 0 {
		text, _ = host.Buffer(abi.PluginConfiguration, 0, size)
	}
	c := newConfig(text)
	c.root, c.g = rt, g
	f, err := make(c)
	if err = c.finish(err); err != nil {
		host.Log(abi.Error, "configuration refused: "+err.Error())
		return false
	}
	rt.filter = f
	rt.stop() // what belongs to the configuration of before
	for _, begin := range c.begun {
		begin()
	}
	return true
}

func (g *guest) names() string {
	s := ""
	for name := range g.makers {
		if s != "" {
			s += ", "
		}
		s += quote(name)
	}
	return s
}

func quote(s string) string { return `"` + s + `"` }

// OnDone implements host.Guest.
func (g *guest) OnDone(uint32) bool { return true }

// OnLog implements host.Guest.
func (g *guest) OnLog(uint32) {}

// OnDelete implements host.Guest.
func (g *guest) OnDelete(id uint32) {
	g.enter()
	defer g.leave()
	if s := g.streams.get(id); s != nil {
		s.end()
		g.streams.drop(id)
		g.recycle(s)
		return
	}
	if rt := g.roots[id]; rt != nil {
		delete(g.roots, id)
		if g.outside.root == id {
			g.outside.token = 0 // nobody will be told
		}
		rt.stop()
	}
}

// stop ends what is done in the background.
func (rt *root) stop() {
	for _, t := range rt.tasks {
		t.gone = true
		t.run()
	}
	rt.tasks = nil
}

// OnForeign implements host.Guest.
func (g *guest) OnForeign(_, function uint32, size int) {
	g.enter()
	defer g.leave()
	b, st := host.Buffer(abi.CallData, 0, size)
	if st != abi.OK {
		return
	}
	switch function {
	case ext.Answer:
		g.answered(b)
	case ext.Event:
		f := ext.Read(b)
		if s := g.streams.get(uint32(f.Uint())); s != nil {
			s.event(f.Uint())
		}
	}
}
