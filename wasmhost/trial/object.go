package trial

import (
	"maps"
	"slices"
	"strconv"
)

// differObject is differValue for mappings.
func differObject(path string, a, b map[string]any) (string, any, any, bool) {
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		at := path + "." + k
		x, wanted := a[k]
		y, came := b[k]
		switch {
		case !wanted:
			return at, absent{}, y, false
		case !came:
			return at, x, absent{}, false
		}
		if at, x, y, same := differValue(at, x, y); !same {
			return at, x, y, false
		}
	}
	return "", nil, nil, true
}

// differList is differValue for lists.
func differList(path string, a, b []any) (string, any, any, bool) {
	for i := range max(len(a), len(b)) {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= len(a):
			return at, absent{}, b[i], false
		case i >= len(b):
			return at, a[i], absent{}, false
		}
		if at, x, y, same := differValue(at, a[i], b[i]); !same {
			return at, x, y, false
		}
	}
	return "", nil, nil, true
}
