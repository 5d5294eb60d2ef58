package proxywasm

import (
	"encoding/binary"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// maxName is how long the name of a field may be that is looked for.
const maxName = 64 << 10

// perPair is what it costs to read and check a field that a guest gives, in fuel.
const perPair = 100

// chargePairs makes the guest pay for as many.
func (i *instance) chargePairs(raw []byte) {
	if len(raw) >= 4 {
		i.vm.Charge(perPair * int64(min(binary.LittleEndian.Uint32(raw), abi.MaxPairs)))
	}
}

// proxyGetHeaderMapSize takes a map, and where to put how many bytes its names and
// values have.
func proxyGetHeaderMapSize(i *instance, a []uint64) abi.Status {
	if abi.Map(u32(a[0])) > abi.CallResponseTrailers {
		return abi.BadArgument
	}
	n := 0
	if m := i.mapOf(abi.Map(u32(a[0]))); m.header != nil {
		i.pairs = m.pairs(i.pairs[:0])
		for k := range i.pairs {
			n += len(i.pairs[k].Key) + len(i.pairs[k].Value)
		}
	}
	if !i.vm.PutUint32(u32(a[1]), uint32(n)) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}

// proxyGetHeaderMapPairs takes a map, and where to put pointer and size of its pairs. A
// map that there is not is empty.
func proxyGetHeaderMapPairs(i *instance, a []uint64) abi.Status {
	if abi.Map(u32(a[0])) > abi.CallResponseTrailers {
		return abi.BadArgument
	}
	m := i.mapOf(abi.Map(u32(a[0])))
	if m.header == nil {
		return i.tell(u32(a[1]), u32(a[2]), 0, 0)
	}
	i.pairs = m.pairs(i.pairs[:0])
	if len(i.pairs) == 0 {
		return i.tell(u32(a[1]), u32(a[2]), 0, 0)
	}
	size := abi.SizePairs(i.pairs)
	at, ok := i.alloc(size)
	if !ok {
		return abi.InternalFailure
	}
	memory, ok := i.vm.Read(at, uint32(size))
	if !ok {
		return abi.InvalidMemoryAccess
	}
	abi.AppendPairs(memory[:0:size], i.pairs)
	return i.tell(u32(a[1]), u32(a[2]), at, size)
}

// proxySetHeaderMapPairs takes a map, and pairs and their size, which replace all that
// is in it. Pseudo fields that are not among them stay.
func proxySetHeaderMapPairs(i *instance, a []uint64) abi.Status {
	raw, ok := i.vm.Read(u32(a[1]), u32(a[2]))
	if !ok {
		return abi.InvalidMemoryAccess
	}
	m, status := i.changeable(a[0])
	if m.header == nil {
		return status
	}
	if err := abi.CheckPairs(raw); err != nil {
		i.complain(err.Error())
		return abi.SerializationFailure
	}
	i.chargePairs(raw)
	m.half.touched = true
	m.header.Reset()
	for name, value := range abi.RawPairs(raw) {
		i.set(&m, name, value, true)
	}
	return abi.OK
}

// proxyGetHeaderMapValue takes a map, a name and its size, and where to put pointer and
// size of the first value.
func proxyGetHeaderMapValue(i *instance, a []uint64) abi.Status {
	if abi.Map(u32(a[0])) > abi.CallResponseTrailers {
		return abi.BadArgument
	}
	name, ok := i.vm.Read(u32(a[1]), u32(a[2]))
	if !ok {
		return abi.InvalidMemoryAccess
	}
	value := ""
	found := false
	if m := i.mapOf(abi.Map(u32(a[0]))); m.header != nil && len(name) <= maxName {
		i.vm.Charge(int64(m.header.Len()))
		value, found = m.get(i.lower(name))
	}
	if !found && !i.exports.oldABI {
		return abi.NotFound
	}
	return i.giveString(u32(a[3]), u32(a[4]), value)
}

// proxyAddHeaderMapValue takes a map, and name and value with their sizes.
func proxyAddHeaderMapValue(i *instance, a []uint64) abi.Status { return i.change(a, true) }

// proxyReplaceHeaderMapValue takes a map, and name and value with their sizes.
func proxyReplaceHeaderMapValue(i *instance, a []uint64) abi.Status { return i.change(a, false) }

func (i *instance) change(a []uint64, beside bool) abi.Status {
	name, ok1 := i.vm.Read(u32(a[1]), u32(a[2]))
	value, ok2 := i.vm.Read(u32(a[3]), u32(a[4]))
	if !ok1 || !ok2 {
		return abi.InvalidMemoryAccess
	}
	m, status := i.changeable(a[0])
	if m.header == nil {
		return status
	}
	if m.header.Len() >= abi.MaxPairs {
		i.complain("field added to 1,024 others: ignored")
		return abi.OK
	}
	i.set(&m, name, value, beside)
	return abi.OK
}

// proxyRemoveHeaderMapValue takes a map, and a name and its size.
func proxyRemoveHeaderMapValue(i *instance, a []uint64) abi.Status {
	name, ok := i.vm.Read(u32(a[1]), u32(a[2]))
	if !ok {
		return abi.InvalidMemoryAccess
	}
	m, status := i.changeable(a[0])
	if m.header == nil || len(name) > maxName {
		return status
	}
	i.remove(&m, name)
	return abi.OK
}

// changeable returns the map that a guest wants to change. Where that comes too late,
// there is no map, and the status is OK all the same: guests in Rust panic over others.
func (i *instance) changeable(kind uint64) (fieldMap, abi.Status) {
	if abi.Map(u32(kind)) > abi.ResponseTrailers {
		return fieldMap{}, abi.BadArgument // those of calls are not to be changed
	}
	m := i.mapOf(abi.Map(u32(kind)))
	if !m.writable() {
		i.complain("header or trailer changed too late, or too early: ignored")
		return fieldMap{}, abi.OK
	}
	return m, abi.OK
}
