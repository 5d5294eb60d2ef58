package weir

// table finds streams by their numbers, which hosts give in their order: so most find
// their place free, and a map has the few that do not.
type table struct {
	near [places]*stream
	far  map[uint32]*stream
}

const places = 256 // a power of two

func (t *table) get(id uint32) *stream {
	if s := t.near[id%places]; s != nil && s.id == id {
		return s
	}
	if t.far == nil {
		return nil
	}
	return t.far[id]
}

func (t *table) put(s *stream) {
	if p := &t.near[s.id%places]; *p == nil {
		*p = s
		return
	}
	if t.far == nil {
		t.far = map[uint32]*stream{}
	}
	t.far[s.id] = s
}

func (t *table) drop(id uint32) {
	if p := &t.near[id%places]; *p != nil && (*p).id == id {
		*p = nil
		return
	}
	delete(t.far, id)
}
