package services

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
)

func storeGet(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	space, name := f.Text(), f.Text()
	if err := ended(f); err != nil {
		return nil, err
	}
	key, err := s.entry(space, name)
	if err != nil {
		return nil, err
	}
	e, err := s.back.store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read %.64q: %w", name, err)
	}
	return ext.AppendUint(ext.Append(make([]byte, 0, len(e.Value)+16), e.Value), e.Version), nil
}

func storePut(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	space, name, value, life, wanted := f.Text(), f.Text(), f.Bytes(), f.Uint(), f.Uint()
	if err := ended(f); err != nil {
		return nil, err
	}
	key, err := s.entry(space, name)
	switch {
	case err != nil:
		return nil, err
	case len(value) > mostValue:
		return nil, bad("a value has %d bytes at most, this one has %d", mostValue, len(value))
	case life > uint64(mostLife/time.Millisecond):
		return nil, bad("an entry lives for 100 years at most")
	}
	if err := s.reserve(ctx, strings.TrimSuffix(key, name), int64(len(name)+len(value))); err != nil {
		return nil, fmt.Errorf("write %.64q: %w", name, err)
	}
	version, err := s.back.store.Put(ctx, key, value, time.Duration(life)*time.Millisecond, wanted)
	if err != nil {
		return nil, fmt.Errorf("write %.64q: %w", name, err)
	}
	return ext.AppendUint(nil, version), nil
}

func storeDelete(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	space, name, wanted := f.Text(), f.Text(), f.Uint()
	if err := ended(f); err != nil {
		return nil, err
	}
	key, err := s.entry(space, name)
	if err != nil {
		return nil, err
	}
	if err := s.back.store.Delete(ctx, key, wanted); err != nil {
		return nil, fmt.Errorf("delete %.64q: %w", name, err)
	}
	return nil, nil
}

// storeList ends after so many bytes: less than was asked for does not mean that there
// is no more; nothing does.
func storeList(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	space, beginning, after, most := f.Text(), f.Text(), f.Text(), f.Uint()
	if err := ended(f); err != nil {
		return nil, err
	}
	prefix, err := s.space(space)
	if err == nil {
		err = errors.Join(checkKey(beginning), checkKey(after))
	}
	switch {
	case err != nil:
		return nil, err
	case most < 1 || most > mostList:
		return nil, bad("a list has 1 to %d entries, not %d", mostList, most)
	}
	back, err := s.back.lists.take(ctx, &s.lists)
	if err != nil {
		return nil, fmt.Errorf("list %.64q: %w", beginning, err)
	}
	defer back()
	if after != "" {
		after = prefix + after
	}
	var answer []byte
	for e, err := range s.back.store.List(ctx, prefix+beginning, after, int(most)) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("list %.64q: %w", beginning, err)
		case len(answer) > 0 && len(answer)+len(e.Key)+len(e.Value) > mostListed:
			return answer, nil
		}
		answer = ext.AppendUint(ext.Append(ext.Append(answer, strings.TrimPrefix(e.Key, prefix)), e.Value), e.Version)
		if most--; most == 0 {
			break
		}
	}
	return answer, nil
}
