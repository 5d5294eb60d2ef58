package dns01

import (
	"context"
	"net/http"
	"slices"
)

// record is one record of an API that keeps each by itself.
type record struct {
	id    string
	value string // as backend has it
}

// records is such an API.
type records interface {
	list(ctx context.Context, z zone, name, typ string) ([]record, error)
	create(ctx context.Context, z zone, c change, value string) error
	remove(ctx context.Context, z zone, id string) error
}

// mostPages bounds what is read of a list; it is far more than any name has records.
const mostPages = 100

func valuesOf(ctx context.Context, api records, z zone, name, typ string) ([]string, error) {
	all, err := api.list(ctx, z, name, typ)
	var values []string
	for _, r := range all {
		values = append(values, r.value)
	}
	return values, err
}

// changeRecords makes a change record by record. Two values do not get into each
// other's way, whoever else is changing the zone.
func changeRecords(ctx context.Context, api records, z zone, c change) error {
	have, err := api.list(ctx, z, c.name, c.typ)
	if err != nil {
		return err
	}
	for _, value := range c.add {
		if slices.ContainsFunc(have, func(r record) bool { return r.value == value }) {
			continue
		}
		if err := api.create(ctx, z, c, value); err != nil {
			return err
		}
	}
	// While others delete, records move from one page of a list to the one before, and
	// are in neither when that is read: what is not found is looked for again.
	for range 3 {
		gone, err := removeRecords(ctx, api, z, c, have)
		if err != nil || gone == len(c.remove) {
			return err
		}
		if have, err = api.list(ctx, z, c.name, c.typ); err != nil {
			return err
		}
	}
	return nil
}

// removeRecords returns how many of the values to remove were there.
func removeRecords(ctx context.Context, api records, z zone, c change, have []record) (int, error) {
	found := make(map[string]bool)
	for _, r := range have {
		if !slices.Contains(c.remove, r.value) {
			continue
		}
		if err := api.remove(ctx, z, r.id); err != nil && status(err) != http.StatusNotFound {
			return 0, err
		}
		found[r.value] = true
	}
	return len(found), nil
}
