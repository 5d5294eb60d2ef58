package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// A head is: magic, then numbers as varints and strings with their length before them,
// then the Castagnoli sum of all that.
const (
	magic   = "weir cache head 1\n"
	maxHead = 1 << 20
)

func encode(e *entry) []byte {
	b := make([]byte, 0, 1<<10)
	b = append(b, magic...)
	str := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	num := func(n int64) { b = binary.AppendVarint(b, n) }
	strs := func(list []string) {
		num(int64(len(list)))
		for _, s := range list {
			str(s)
		}
	}
	str(e.key)
	str(e.site)
	str(e.route)
	strs(e.vary)
	str(e.variant)
	num(int64(e.status))
	num(int64(len(e.fields)))
	for _, f := range e.fields {
		str(f.Name)
		str(f.Value)
	}
	strs(e.tags)
	str(e.etag)
	str(e.modified)
	num(e.basis.Unix())
	num(e.size)
	num(int64(e.sum.Load()))
	num(e.received.UnixNano())
	for _, n := range [...]int64{e.age, e.lifetime, e.whileRevalidate, e.ifError} {
		num(n)
	}
	flags := int64(0)
	for i, set := range [...]bool{e.shared, e.noCache, e.strict} {
		if set {
			flags |= 1 << i
		}
	}
	num(flags)
	return seal(b)
}

// seal appends the sum.
func seal(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)) }

var errHead = errors.New("not a head, or a broken one")

// decode reads what encode wrote. What others wrote is refused, also if its sum is right:
// nothing gets out of here that could not have come from an upstream.
func decode(b []byte) (*entry, error) {
	if len(b) > maxHead || len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return nil, errHead
	}
	text, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(text, castagnoli) != sum {
		return nil, errHead
	}
	d := decoder{rest: string(text[len(magic):])}
	e := &entry{facts: facts{key: d.str(), site: d.str(), route: d.str(), vary: d.strs(maxVary), variant: d.str(), status: int(d.num())}}
	for range d.count(1 << 10) {
		e.fields = append(e.fields, exchange.Field{Name: d.str(), Value: d.str()})
	}
	e.tags, e.etag, e.modified = d.strs(maxTags), d.str(), d.str()
	e.basis, e.size = time.Unix(d.num(), 0), d.num()
	e.sum.Store(uint32(d.num()))
	e.received = time.Unix(0, d.num())
	e.age, e.lifetime, e.whileRevalidate, e.ifError = d.num(), d.num(), d.num(), d.num()
	flags := d.num()
	e.shared, e.noCache, e.strict = flags&1 != 0, flags&2 != 0, flags&4 != 0
	if d.bad || d.rest != "" {
		return nil, errHead
	}
	return e, e.check()
}

// check refuses what newEntry would not have made.
func (e *entry) check() error {
	switch {
	case e.status < 200 || e.status > 599 || e.status == 206 || e.status == 304:
		return fmt.Errorf("read head: status %d", e.status)
	case e.size < 0 || min(e.age, e.lifetime, e.whileRevalidate, e.ifError) < 0 || max(e.age, e.lifetime, e.whileRevalidate, e.ifError) > 1<<40:
		return errors.New("read head: a number is out of range")
	case placeOf(e.key) == place{} || len(e.key) > maxKey:
		return errors.New("read head: not a key")
	}
	for _, f := range e.fields {
		if !exchange.ValidName(f.Name) || strings.ToLower(f.Name) != f.Name || !exchange.ValidValue(f.Value) || ephemeral(f.Name) {
			return errors.New("read head: not a field that is kept")
		}
	}
	if e.etag != "" && !exchange.ValidValue(e.etag) || !exchange.ValidValue(e.modified) {
		return errors.New("read head: not a validator")
	}
	return nil
}

type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) num() int64 {
	var buffer [binary.MaxVarintLen64]byte
	n, size := binary.Varint(buffer[:copy(buffer[:], d.rest)])
	if size <= 0 {
		d.bad, d.rest = true, ""
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) count(most int64) int64 {
	n := d.num()
	if n < 0 || n > most {
		d.bad, d.rest = true, ""
		return 0
	}
	return n
}

func (d *decoder) str() string {
	var buffer [binary.MaxVarintLen64]byte
	n, size := binary.Uvarint(buffer[:copy(buffer[:], d.rest)])
	if size <= 0 || n > uint64(len(d.rest)-size) {
		d.bad, d.rest = true, ""
		return ""
	}
	s := d.rest[size : size+int(n)]
	d.rest = d.rest[size+int(n):]
	return s
}

func (d *decoder) strs(most int64) (list []string) {
	for range d.count(most) {
		list = append(list, d.str())
	}
	return list
}
