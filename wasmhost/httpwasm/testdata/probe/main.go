//go:build wasip1

// Probe is a guest that does what a request tells it to: the field x-ask holds commands
// for handle_request, x-answer those for handle_response, "name|argument|argument" with
// ";" in between. What they return is in the response's fields x-asked and x-answered.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"
)

//go:wasmimport http_handler enable_features
func enableFeatures(f uint32) uint32

//go:wasmimport http_handler get_config
func getConfig(p, n uint32) uint32

//go:wasmimport http_handler log_enabled
func logEnabled(level int32) uint32

//go:wasmimport http_handler log
func log(level int32, p, n uint32)

//go:wasmimport http_handler get_method
func getMethod(p, n uint32) uint32

//go:wasmimport http_handler set_method
func setMethod(p, n uint32)

//go:wasmimport http_handler get_uri
func getURI(p, n uint32) uint32

//go:wasmimport http_handler set_uri
func setURI(p, n uint32)

//go:wasmimport http_handler get_protocol_version
func getProtocolVersion(p, n uint32) uint32

//go:wasmimport http_handler get_source_addr
func getSourceAddr(p, n uint32) uint32

//go:wasmimport http_handler get_header_names
func getHeaderNames(kind, p, n uint32) uint64

//go:wasmimport http_handler get_header_values
func getHeaderValues(kind, name, size, p, n uint32) uint64

//go:wasmimport http_handler set_header_value
func setHeaderValue(kind, name, size, p, n uint32)

//go:wasmimport http_handler add_header_value
func addHeaderValue(kind, name, size, p, n uint32)

//go:wasmimport http_handler remove_header
func removeHeader(kind, name, size uint32)

//go:wasmimport http_handler read_body
func readBody(kind, p, n uint32) uint64

//go:wasmimport http_handler write_body
func writeBody(kind, p, n uint32)

//go:wasmimport http_handler get_status_code
func getStatusCode() uint32

//go:wasmimport http_handler set_status_code
func setStatusCode(status uint32)

var (
	buf   [1 << 20]byte
	count int // what is kept from one request to the next
	next  = uint64(1)
	lost  uint64
)

func at(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func text(s string) (p, n uint32) {
	return uint32(uintptr(unsafe.Pointer(unsafe.StringData(s)))), uint32(len(s))
}

func number(s string) uint32 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}

func init() {
	config := string(buf[:getConfig(at(buf[:]), uint32(len(buf)))])
	word, rest, _ := strings.Cut(config, " ")
	switch word {
	case "features":
		enableFeatures(number(rest))
	case "bad":
		fmt.Fprintln(os.Stderr, "config: "+rest)
		os.Exit(3)
	}
}

func main() {}

func values(kind uint32, name string) string {
	p, n := text(name)
	got := getHeaderValues(kind, p, n, at(buf[:]), uint32(len(buf)))
	return strings.TrimSuffix(strings.ReplaceAll(string(buf[:uint32(got)]), "\x00", ","), ",")
}

//go:wasmexport handle_request
func handleRequest() uint64 {
	next = 1
	out := run(values(0, "x-ask"))
	if out != "" {
		show("x-asked", out)
	}
	return next
}

//go:wasmexport handle_response
func handleResponse(context, isError uint32) {
	if script := values(0, "x-answer"); script != "" {
		show("x-answered", run(script)+fmt.Sprintf("context %d error %d", context, isError))
	}
}

func show(name, value string) {
	p, n := text(name)
	v, k := text(value)
	setHeaderValue(1, p, n, v, k)
}

func run(script string) string {
	var out strings.Builder
	for command := range strings.SplitSeq(script, ";") {
		if args := strings.Split(strings.TrimSpace(command), "|"); args[0] != "" {
			if s := do(args); s != "" {
				out.WriteString(s + ";")
			}
		}
	}
	return out.String()
}

// got is a result of functions that return a length.
func got(n uint32) string { return string(buf[:n]) }

func do(a []string) string {
	arg := func(i int) string {
		if i < len(a) {
			return a[i]
		}
		return ""
	}
	switch a[0] {
	case "config":
		return got(getConfig(at(buf[:]), uint32(len(buf))))
	case "features":
		return strconv.FormatUint(uint64(enableFeatures(number(arg(1)))), 10)
	case "log":
		p, n := text(arg(2))
		log(int32(number(arg(1))), p, n)
	case "wildlog":
		log(0, 0xfffffff0, 0xff)
	case "enabled":
		return strconv.FormatUint(uint64(logEnabled(int32(number(arg(1))))), 10)
	case "print":
		fmt.Println(arg(1))
	case "method":
		return got(getMethod(at(buf[:]), uint32(len(buf))))
	case "uri":
		return got(getURI(at(buf[:]), uint32(len(buf))))
	case "proto":
		return got(getProtocolVersion(at(buf[:]), uint32(len(buf))))
	case "addr":
		return got(getSourceAddr(at(buf[:]), uint32(len(buf))))
	case "setmethod":
		setMethod(text(arg(1)))
	case "seturi":
		setURI(text(strings.ReplaceAll(arg(1), "~", " ")))
	case "names":
		n := getHeaderNames(number(arg(1)), at(buf[:]), uint32(len(buf)))
		return fmt.Sprintf("%d:%s", n>>32, strings.ReplaceAll(string(buf[:uint32(n)]), "\x00", ","))
	case "values":
		return values(number(arg(1)), arg(2))
	case "set", "add":
		f := setHeaderValue
		if a[0] == "add" {
			f = addHeaderValue
		}
		name, size := text(arg(2))
		value, n := text(strings.NewReplacer("~", " ", "<CR>", "\r\n", "<NUL>", "\x00").Replace(arg(3)))
		f(number(arg(1)), name, size, value, n)
	case "remove":
		p, n := text(arg(2))
		removeHeader(number(arg(1)), p, n)
	case "read": // kind, chunk, how often at most: what was read, and whether it was the end
		all, eof := "", uint64(0)
		for n := 0; eof == 0 && (arg(3) == "" || n < int(number(arg(3)))); n++ {
			r := readBody(number(arg(1)), at(buf[:]), number(arg(2)))
			all, eof = all+string(buf[:uint32(r)]), r>>32
		}
		if len(all) > 100 {
			all = fmt.Sprintf("%d bytes", len(all))
		}
		return fmt.Sprintf("[%s]%d", all, eof)
	case "write":
		p, n := text(arg(2))
		writeBody(number(arg(1)), p, n)
	case "fill": // kind, bytes, times
		for range number(arg(3)) {
			writeBody(number(arg(1)), at(buf[:]), number(arg(2)))
		}
	case "status":
		return strconv.Itoa(int(getStatusCode()))
	case "setstatus":
		setStatusCode(number(arg(1)))
	case "next":
		next = uint64(number(arg(2)))<<32 | uint64(number(arg(1)))
	case "count":
		count++
		return strconv.Itoa(count)
	case "room": // length of the buffer offered to get_method, get_header_names: what is written
		copy(buf[:], "################################")
		n := number(arg(1))
		name, size := text("x-one")
		m, l := getMethod(at(buf[:]), n), getHeaderValues(0, name, size, at(buf[16:]), n)
		return fmt.Sprintf("%d %s %d %s", m, buf[:8], l, strings.ReplaceAll(string(buf[16:24]), "\x00", "0"))
	case "wild":
		wild(arg(1))
	case "trap":
		panic("probe was told to")
	case "loop":
		for {
			lost++
		}
	case "spin":
		for range 1_000_000 {
			lost++
		}
	case "exit":
		os.Exit(int(number(arg(1))))
	default:
		panic("unknown command " + a[0])
	}
	return ""
}

// wild calls a function with an address out of memory.
func wild(what string) {
	const far = 0xfffffff0
	p, n := text("x-one")
	switch what {
	case "get_config":
		getConfig(far, 1<<20)
	case "get_method":
		getMethod(far, 1<<20)
	case "get_uri":
		getURI(far, 1<<20)
	case "get_protocol_version":
		getProtocolVersion(far, 1<<20)
	case "get_source_addr":
		getSourceAddr(far, 1<<20)
	case "set_method":
		setMethod(far, 5)
	case "set_uri":
		setURI(far, 5)
	case "get_header_names":
		getHeaderNames(0, far, 1<<20)
	case "get_header_values":
		getHeaderValues(0, p, n, far, 1<<20)
	case "get_header_values name":
		getHeaderValues(0, far, 5, at(buf[:]), 100)
	case "set_header_value name":
		setHeaderValue(0, far, 5, p, n)
	case "set_header_value value":
		setHeaderValue(0, p, n, far, 5)
	case "add_header_value":
		addHeaderValue(0, p, n, far, 0xffffffff)
	case "remove_header":
		removeHeader(0, far, 5)
	case "read_body":
		readBody(0, far, 5)
	case "write_body":
		writeBody(0, far, 5)
	default:
		panic("unknown " + what)
	}
}
