package main

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/sdk/abi/ext"
	proxy "github.com/weirproxy/weir/sdk/abi/proxywasm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

// tongue is a guest that calls functions of weir's by name: their names and arguments are
// in its memory.
type tongue struct {
	Module
	at int // where the next goes
}

var (
	foreignCall = fromEnv("proxy_call_foreign_function")
	fieldsSize  = fromEnv("proxy_get_header_map_size")
)

func newTongue() *tongue {
	m := proxyGuest()
	m.Pages, m.Imports = 40, []Import{foreignCall, fieldsSize}
	return &tongue{m, 1 << 20}
}

// say is code that calls a function, and drops what comes of it. The result is put to
// where all that is allocated goes.
func (g *tongue) say(name string, args ...any) Code {
	var b []byte
	for _, a := range args {
		switch a := a.(type) {
		case string:
			b = ext.Append(b, a)
		case int:
			b = ext.AppendUint(b, uint64(a))
		case uint64:
			b = ext.AppendUint(b, a)
		}
	}
	at := g.at
	g.at += len(name) + len(b)
	g.Data = append(g.Data, Data{At: uint32(at), Data: name + string(b)})
	return calling(foreignCall, at, len(name), at+len(name), len(b), 16, 20)
}

// on has a callback do that, and return action; of one without a result, -1.
func (g *tongue) on(callback string, action int, body ...Code) *tongue {
	all := Code{}
	for _, c := range body {
		all = append(all, c...)
	}
	if action >= 0 {
		all = append(all, I32Const, action)
	}
	g.Module = returning(g.Module, callback, all...)
	return g
}

// always is code over and over.
func always(c Code) Code { return Code{Loop, Void, c, Br, 0, End} }

// weirHostiles are guests that mean harm with what weir offers beyond the ABI.
func weirHostiles() (all []hostile) {
	const head, body, resp, answer = "proxy_on_request_headers", "proxy_on_request_body", "proxy_on_response_headers", "proxy_on_foreign_function"
	add := func(name string, g *tongue, closed, open string) {
		all = append(all, hostile{name: "weir " + name, code: g.Bytes(), closed: closed, open: open,
			plugin: "limits: {memory: 16MiB, wall: 300ms, queue: 5s, instances: 2}, grants: {upstreams: [silent], keys: {k: auto}}"})
	}
	// flood asks for the same over and over, within one callback; echoes, with each answer:
	// in a request's time, and a few times in nobody's, which would go on for ever.
	flood := func(name string, f string, args ...any) {
		g := newTongue()
		add(name+" flood", g.on(head, 0, always(g.say(f, args...))), "500 503", "200")
	}
	echoes := func(name string, times int, closed, open string, f string, args ...any) {
		g := newTongue()
		ask := g.say(f, args...)
		while := Code{calling(fieldsSize, 0, 28), I32Const, 28, I32Load, uint32(2), uint32(0), If, Void, ask, End} // there is a request
		add(name+" storm", g.on(head, 1, ask).on(answer, -1, while), closed, open)
		g = newTongue()
		ask = g.say(f, args...)
		few := Code{I32Const, 24, I32Const, 24, I32Load, uint32(2), uint32(0), I32Const, 1, I32Add, I32Store, uint32(2), uint32(0),
			I32Const, 24, I32Load, uint32(2), uint32(0), I32Const, times, Op(0x49), If, Void, ask, End} // i32.lt_u
		add(name+" storm of nobody", g.on(head, 0, ask).on(answer, -1, few), "200", "200")
	}
	day := 24 * 3600 * 1000
	ask := string(proxy.AppendPairs(nil, []proxy.Pair{{Key: ":method", Value: "GET"}, {Key: ":path", Value: "/"}, {Key: ":authority", Value: "silent"}}))
	many := make([]proxy.Pair, proxy.MaxPairs)
	for k := range many {
		many[k] = proxy.Pair{Key: "x", Value: "y"}
	}
	fields, mib := string(proxy.AppendPairs(nil, many)), string(make([]byte, 1<<20-64))

	flood("random", ext.Random, 65536)
	flood("timer", ext.Timer, day)
	flood("fetch", ext.Fetch, "silent", ask, "", 100)
	flood("fetch of many fields", ext.Fetch, "silent", fields, "", 100)
	flood("fetch of nobody", ext.Fetch, "nobody", ask, "", 100)
	flood("inform", ext.Inform, 103, fields)
	flood("read", ext.FetchRead, 1)
	flood("cancel", ext.Cancel, 1)
	flood("list", ext.StoreList, "", "", "", 1000)
	flood("password", ext.PasswordHash, "password")
	flood("signature", ext.Sign, "k", mib)
	echoes("timer", 20, "500 503 waits", "200 waits", ext.Timer, 0)
	echoes("signature", 20, "500 503 waits", "200 waits", ext.Sign, "k", mib)
	echoes("list", 20, "500 503 waits", "200 waits", ext.StoreList, "", "", "", 1000)
	echoes("password", 2, "waits", "waits", ext.PasswordVerify, "$argon2id$v=19$m=131072,t=10,p=4$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password")

	once := func(name, closed, open string, action int, f func(g *tongue) Code) {
		g := newTongue()
		add(name, g.on(head, action, f(g)), closed, open)
	}
	once("timers of a day", "200", "200", 0, func(g *tongue) (c Code) {
		for range 70 {
			c = append(c, g.say(ext.Timer, day)...)
		}
		return c
	})
	once("fetch that nobody reads", "200", "200", 0, func(g *tongue) Code { return g.say(ext.Fetch, "silent", ask, "", 5000) })
	once("hash of a GiB", "200", "200", 0, func(g *tongue) Code {
		return g.say(ext.PasswordVerify, "$argon2id$v=19$m=1048576,t=1000,p=255$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password")
	})
	once("reply that is never written", "waits", "waits", 1, func(g *tongue) Code { return g.say(ext.ReplyStart, 200, "") })
	once("reply flood", "500 503", "200", 1, func(g *tongue) Code {
		return append(g.say(ext.ReplyStart, 200, ""), always(g.say(ext.ReplyWrite, mib[:60000]))...)
	})
	length := string(proxy.AppendPairs(nil, []proxy.Pair{{Key: "content-length", Value: "7"}}))
	reply := func(status int, text string) func(*tongue) Code {
		return func(g *tongue) Code {
			return slices.Concat(g.say(ext.ReplyStart, status, length), g.say(ext.ReplyWrite, text), g.say(ext.ReplyEnd, ""))
		}
	}
	once("reply that is longer than it says", "cut", "cut", 1, reply(200, "more than that"))
	once("reply that is shorter than it says", "500", "500", 1, reply(200, "less"))
	once("reply without content that has some", "204", "204", 1, reply(204, "content"))
	once("reply of 304 that has content", "304", "304", 1, reply(304, "content"))
	once("reply that traps", "500 503", "200", 1, func(g *tongue) Code { return append(g.say(ext.ReplyStart, 200, ""), Unreachable) })

	g := newTongue()
	add("reply that traps later", g.on(head, 1, g.say(ext.ReplyStart, 200, ""), g.say(ext.ReplyWrite, "some"), g.say(ext.Timer, 1)).on(answer, -1, Code{Unreachable}), "cut", "cut")
	g = newTongue()
	add("body that is held", g.on(head, 1, g.say(ext.Body, 0, ext.ShowMore)).on(body, 1, g.say(ext.Body, 0, ext.ShowMore)), "waits", "waits")
	g = newTongue()
	add("body that is dropped, and a trap", g.on(head, 1, g.say(ext.Body, 0, ext.DropMore)).on(body, 1, g.say(ext.Body, 0, ext.DropMore), Code{Unreachable}), "500 503", "500 503")
	g = newTongue()
	add("body that is looked at, and a trap", g.on(head, 1, g.say(ext.Body, 0, ext.ShowMore)).on(body, 1, Code{Unreachable}), "500 503", "200")
	g = newTongue()
	add("reply in place of a response", g.on(resp, 1, g.say(ext.ReplyStart, 418, ""), g.say(ext.ReplyEnd, "")), "418", "418")
	return append(all, weirWild()...)
}

// weirWild calls each function with what it cannot read.
func weirWild() (all []hostile) {
	names := []string{ext.Hello, ext.Random, ext.Timer, ext.Cancel, ext.Fetch, ext.FetchRead, ext.Body, ext.ReplyStart, ext.ReplyWrite, ext.ReplyEnd, ext.Inform,
		ext.StoreGet, ext.StorePut, ext.StoreDelete, ext.StoreList, ext.PasswordHash, ext.PasswordVerify, ext.Sign, ext.Verify}
	for _, name := range names {
		g := newTongue()
		code := slices.Concat(g.say(name), g.say(name, uint64(1<<64-1), uint64(1<<64-1), uint64(1<<64-1)), g.say(name, "", "\xff\xff\xff\xff", "\x00", "", ""),
			calling(foreignCall, 1<<20, len(name), -8, 1<<30, 16, 20), calling(foreignCall, 1<<20, len(name), 0, 1<<20, -8, -4))
		all = append(all, hostile{name: fmt.Sprint("wild ", name), code: g.on("proxy_on_request_headers", 0, code).Bytes(), closed: "200", open: "200"})
	}
	return all
}
