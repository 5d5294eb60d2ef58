// Command keeper is a guest that does with weir's services what it is asked for.
package main

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.Register(keeper) }

func main() {}

// keeper answers with what came of it, one value in a line.
func keeper(r *weir.Request, _ weir.Next) (*weir.Response, error) {
	lines, err := do(r)
	switch {
	case errors.Is(err, weir.ErrNotFound):
		return weir.Reply(404, err.Error()), nil
	case errors.Is(err, weir.ErrConflict):
		return weir.Reply(409, err.Error()), nil
	case errors.Is(err, weir.ErrDenied):
		return weir.Reply(403, err.Error()), nil
	case err != nil:
		return weir.Reply(502, err.Error()), nil
	}
	return weir.Reply(200, strings.Join(lines, "\n")), nil
}

func do(r *weir.Request) (lines []string, err error) {
	s, key, value := weir.Store{Space: r.Query("space")}, r.Query("key"), r.Query("value")
	version, _ := strconv.ParseUint(r.Query("version"), 10, 64)
	switch r.URLPath() {
	case "/get":
		e, err := s.Get(key)
		return []string{string(e.Value), strconv.FormatUint(e.Version, 10)}, err
	case "/put":
		life, _ := time.ParseDuration(r.Query("life"))
		version, err = s.Put(key, []byte(value), weir.PutOptions{TTL: life, If: version, IfAbsent: r.Query("version") == "0"})
		return []string{strconv.FormatUint(version, 10)}, err
	case "/delete":
		return nil, s.Delete(key, version)
	case "/list":
		many, _ := strconv.Atoi(r.Query("many"))
		list, err := s.List(key, r.Query("after"), many)
		for _, e := range list {
			lines = append(lines, e.Key)
		}
		return lines, err
	case "/add":
		return add(s, key)
	case "/hash":
		hash, err := weir.HashPassword(value)
		return []string{hash}, err
	case "/password":
		right, anew, err := weir.VerifyPassword(key, value)
		return []string{strconv.FormatBool(right), strconv.FormatBool(anew)}, err
	case "/sign":
		signature, algorithm, err := weir.Sign(key, []byte(value))
		return []string{hex.EncodeToString(signature), algorithm}, err
	case "/verify":
		signature, _ := hex.DecodeString(r.Query("signature"))
		right, err := weir.Verify(key, []byte(value), signature)
		return []string{strconv.FormatBool(right)}, err
	}
	return nil, errors.New("there is no such thing to do")
}

// add adds one to a number, whoever else does.
func add(s weir.Store, key string) ([]string, error) {
	for lost := 0; ; lost++ {
		e, err := s.Get(key)
		put := weir.PutOptions{If: e.Version, IfAbsent: errors.Is(err, weir.ErrNotFound)}
		if err != nil && !put.IfAbsent {
			return nil, err
		}
		n, _ := strconv.Atoi(string(e.Value))
		_, err = s.Put(key, []byte(strconv.Itoa(n+1)), put)
		if !errors.Is(err, weir.ErrConflict) {
			return []string{strconv.Itoa(n + 1), strconv.Itoa(lost)}, err
		}
	}
}
