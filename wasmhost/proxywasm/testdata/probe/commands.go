//go:build wasip1

package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"
)

// commands are what scripts may say, by name.
var commands = map[string]func(a []string){
	"log": func(a []string) { say(a[0]) },
	"get": func(a []string) {
		value, status := get(number(a[0]), a[1])
		say(fmt.Sprintf("get %s = %q %d", a[1], value, status))
	},
	"pairs": func(a []string) {
		var p *byte
		var n uint32
		status := proxyGetHeaderMapPairs(number(a[0]), address(&p), &n)
		say(fmt.Sprintf("pairs %s %d", readPairs(got(p, n)), status))
	},
	"map_size": func(a []string) {
		var n uint32
		status := proxyGetHeaderMapSize(number(a[0]), &n)
		say(fmt.Sprintf("map_size %d %d", n, status))
	},
	"set_pairs": func(a []string) { // a=1,b=2
		b := pairs(a[1])
		told("set_pairs", proxySetHeaderMapPairs(number(a[0]), pointer(b), size(b)))
	},
	"raw_pairs": func(a []string) {
		told("raw_pairs", proxySetHeaderMapPairs(number(a[0]), pointer(a[1]), size(a[1])))
	},
	"add": func(a []string) {
		v := unescape(a[2])
		told("add", proxyAddHeaderMapValue(number(a[0]), pointer(a[1]), size(a[1]), pointer(v), size(v)))
	},
	"replace": func(a []string) {
		v := unescape(a[2])
		told("replace", proxyReplaceHeaderMapValue(number(a[0]), pointer(a[1]), size(a[1]), pointer(v), size(v)))
	},
	"remove": func(a []string) {
		told("remove", proxyRemoveHeaderMapValue(number(a[0]), pointer(a[1]), size(a[1])))
	},
	"buffer": func(a []string) {
		var p *byte
		var n uint32
		status := proxyGetBufferBytes(number(a[0]), number(or(a[1], "0")), number(or(a[2], "0x7fffffff")), address(&p), &n)
		say(fmt.Sprintf("buffer %q %d", got(p, n), status))
	},
	"buffer_status": func(a []string) {
		var n, flags uint32
		status := proxyGetBufferStatus(number(a[0]), &n, &flags)
		say(fmt.Sprintf("buffer_status %d %d %d", n, flags, status))
	},
	"set_buffer": func(a []string) { // type start size data
		told("set_buffer", proxySetBufferBytes(number(a[0]), number(a[1]), number(a[2]), pointer(a[3]), size(a[3])))
	},
	"reply": func(a []string) { // status body headers grpc
		h := pairs(a[2])
		details := "probe said so"
		told("reply", proxySendLocalResponse(number(a[0]), pointer(details), size(details),
			pointer(a[1]), size(a[1]), pointer(h), size(h), number(or(a[3], "-1"))))
	},
	"continue":  func(a []string) { told("continue", proxyContinueStream(number(a[0]))) },
	"close":     func(a []string) { told("close", proxyCloseStream(number(a[0]))) },
	"effective": func(a []string) { told("effective", proxySetEffectiveContext(number(a[0]))) },
	"stream":    func(a []string) { told("stream", proxySetEffectiveContext(paused)) }, // the one called last
	"done":      func(a []string) { told("done", proxyDone()) },
	"tick":      func(a []string) { told("tick", proxySetTickPeriodMilliseconds(number(a[0]))) },
	"trap":      func(a []string) { panic("as told") },
	"spin": func(a []string) {
		for {
		}
	},
	"grow": func(a []string) { hog = append(hog, make([]byte, number(a[0]))) },
	"property": func(a []string) { // segments with . between them
		path := strings.ReplaceAll(a[0], ".", "\x00")
		var p *byte
		var n uint32
		status := proxyGetProperty(pointer(path), size(path), address(&p), &n)
		say(fmt.Sprintf("property %s = %q %d", a[0], got(p, n), status))
	},
	"set_property": func(a []string) {
		path := strings.ReplaceAll(a[0], ".", "\x00")
		told("set_property", proxySetProperty(pointer(path), size(path), pointer(a[1]), size(a[1])))
	},
	"call": func(a []string) { // upstream headers body timeout
		h := pairs(a[1])
		var token uint32
		status := proxyHttpCall(pointer(a[0]), size(a[0]), pointer(h), size(h), pointer(a[2]), size(a[2]),
			nil, 0, number(or(a[3], "1000")), &token)
		say(fmt.Sprintf("call %d %d", token, status))
	},
	"status": func(a []string) {
		var code, n uint32
		var p *byte
		status := proxyGetStatus(&code, address(&p), &n)
		say(fmt.Sprintf("status %d %q %d", code, got(p, n), status))
	},
}

var hog [][]byte

func told(what string, status uint32) {
	if status != 0 {
		say(fmt.Sprintf("%s: status %d", what, status))
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func unescape(s string) string { return strings.ReplaceAll(s, "%0d%0a", "\r\n") }

func get(kind uint32, name string) (string, uint32) {
	var p *byte
	var n uint32
	status := proxyGetHeaderMapValue(kind, pointer(name), size(name), address(&p), &n)
	return got(p, n), status
}

func buffer(kind uint32) string {
	var p *byte
	var n uint32
	proxyGetBufferBytes(kind, 0, 0x7fffffff, address(&p), &n)
	return got(p, n)
}

// pairs makes pairs of "a=1,b=2".
func pairs(s string) string {
	var all [][2]string
	if s != "" {
		for f := range strings.SplitSeq(s, ",") {
			k, v, _ := strings.Cut(f, "=")
			all = append(all, [2]string{k, v})
		}
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(all)))
	for _, p := range all {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p[0])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p[1])))
	}
	for _, p := range all {
		b = append(b, p[0]+"\x00"+p[1]+"\x00"...)
	}
	return string(b)
}

func readPairs(s string) string {
	if len(s) < 4 {
		return ""
	}
	number := func(at int) int { return int(binary.LittleEndian.Uint32([]byte(s[at:]))) }
	n := number(0)
	at := 4 + 8*n
	var all []string
	for k := range n {
		key, value := number(4+8*k), number(8+8*k)
		all = append(all, s[at:at+key]+"="+s[at+key+1:at+key+1+value])
		at += key + value + 2
	}
	return strings.Join(all, ",")
}

type address = unsafe.Pointer
