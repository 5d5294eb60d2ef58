package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weirproxy/weir/wasmhost/vmtest"
)

// guest FILE KIND [WORD] writes a module: a filter that stamps responses with WORD, one
// that answers with the status WORD, a CGI program that prints WORD, with | for the ends
// of lines, or one that speaks nothing.
func cmdGuest(ts *testscript.TestScript, _ bool, args []string) {
	var code []byte
	switch args[1] {
	case "stamps":
		code = stamp(args[2])
	case "answers":
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		code = gives(status)
	case "prints":
		code = prints(strings.ReplaceAll(args[2], "|", "\n"))
	case "speaks-nothing":
		code = vmtest.Module{Funcs: []vmtest.Func{{Name: "run"}}}.Bytes()
	default:
		ts.Fatalf("guest: no kind %s", args[1])
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path+".new", code, 0o600))
	ts.Check(os.Rename(path+".new", path))
}
