package wasm

// Producer is a tool that had a hand in a module, as its "producers" section says.
type Producer struct{ Field, Name, Version string }

// custom reads the custom sections that tell of a module's making. What is wrong in one
// is no error: the specification lets a broken custom section pass.
func (p *parser) custom() {
	name := p.Name()
	if p.Err() != nil {
		return
	}
	p.m.Custom = append(p.m.Custom, name)
	r := NewReader(p.Take(p.Left()))
	switch name {
	case "producers":
		p.m.Producers = producers(r)
	case "target_features":
		for n := r.Count(2); n > 0 && r.Err() == nil; n-- {
			sign, feature := r.Byte(), r.Name()
			if r.Err() == nil && sign == '+' {
				p.m.Features = append(p.m.Features, feature)
			}
		}
	case "name":
		p.names(r)
	case "go:buildid", "go.buildid":
		p.m.GoBuild = true
	}
}

func producers(r *Reader) (list []Producer) {
	for fields := r.Count(2); fields > 0; fields-- {
		field := r.Name()
		for n := r.Count(2); n > 0; n-- {
			tool := Producer{field, r.Name(), r.Name()}
			if r.Err() != nil {
				return list
			}
			list = append(list, tool)
		}
	}
	return list
}

// names reads the module's name. Functions' names stay where they are: there may be
// very many, and the engine has them for its traces.
func (p *parser) names(r *Reader) {
	for r.Left() > 0 {
		id, body := r.Section()
		if id == 0 && r.Err() == nil {
			p.m.Name = NewReader(body).Name()
		}
	}
}
