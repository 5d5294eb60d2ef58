// Package headers is the bundled filter that changes fields of requests and responses.
package headers

import "github.com/weirproxy/weir/sdk/weir"

// New reads
//
//	request:  {set: {name: value}, add: {…}, default: {…}, remove: [name]}
//	response: {…}
//
// Removing comes first, then set, add, and default, which sets what is not there.
func New(c *weir.Config) (weir.Filter, error) {
	request, response := read(c.Object("request")), read(c.Object("response"))
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		request.apply(r.Header)
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		response.apply(resp.Header)
		return resp, nil
	}, nil
}

// change is what happens to one header.
type change struct {
	remove            []string
	set, add, missing []weir.Field
}

func read(c *weir.Config) change {
	return change{remove: c.Tokens("remove"), set: c.Fields("set"), add: c.Fields("add"), missing: c.Fields("default")}
}

func (x *change) apply(h weir.Header) {
	for _, name := range x.remove {
		h.Del(name)
	}
	put(h, x.set, func(string) bool { return true })
	for _, f := range x.add {
		h.Add(f.Name, f.Value)
	}
	put(h, x.missing, func(name string) bool { return !h.Has(name) })
}

// put gives fields their values, of which those of one name follow each other: fields
// that ok says may have them.
func put(h weir.Header, fields []weir.Field, ok func(name string) bool) {
	for i := 0; i < len(fields); {
		name, set := fields[i].Name, ok(fields[i].Name)
		for first := true; i < len(fields) && fields[i].Name == name; i, first = i+1, false {
			switch {
			case !set:
			case first:
				h.Set(name, fields[i].Value)
			default:
				h.Add(name, fields[i].Value)
			}
		}
	}
}
