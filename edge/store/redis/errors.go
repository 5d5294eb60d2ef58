package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/edge/store"
)

// explain wraps an error of the client with what it means here.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, redis.ErrClosed) {
		return store.ErrClosed
	}
	if said, ok := errors.AsType[redis.Error](err); ok {
		word, _, _ := strings.Cut(said.Error(), " ")
		switch word {
		case "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MISCONF", "NOREPLICAS":
			return fmt.Errorf("%w: redis: %w", store.ErrUnavailable, err)
		case "OOM":
			return fmt.Errorf("redis is full: %w: %w", syscall.ENOSPC, err)
		case "MOVED", "ASK":
			return fmt.Errorf("redis: this is a node of a cluster that has not the keys: %w", err)
		}
		return fmt.Errorf("redis: %w", err)
	}
	return fmt.Errorf("%w: redis: %w", store.ErrUnavailable, err)
}

// withoutURL is the text of an error about a URL without the URL, which may hold a password.
func withoutURL(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
