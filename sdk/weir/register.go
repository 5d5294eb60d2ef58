package weir

import "github.com/weirproxy/weir/sdk/internal/host"

// Filter sees a request and, when it has called next, the response. What it changes
// before next is changed in the request, and afterwards in the response, which it
// returns. One that returns an answer of its own, and does not call next, has answered.
// An error is logged, and the client gets 500.
//
// It is called for each request, of many at the same time, and runs until it waits: so
// variables that filters share need no locks, as long as nothing is waited for while
// they are being changed.
type Filter func(r *Request, next Next) (*Response, error)

// Next has a request go on, and waits for the response.
type Next func(r *Request) (*Response, error)

// registered are the filters of the module, by root id: packages' init functions are
// all that runs before a host asks.
var registered = map[string]maker{}

// Register makes f the filter of this module. It is called from init.
func Register(f Filter) {
	RegisterConfigured(func(*Config) (Filter, error) { return f, nil })
}

// RegisterConfigured makes the filter that new returns for a configuration the filter of
// this module. new is called for each use of the plugin, in each instance. An error
// refuses the configuration.
func RegisterConfigured(new func(c *Config) (Filter, error)) { registered[""] = new }

// RegisterNamed is RegisterConfigured for one of several filters in a module, which
// configurations choose by their root_id.
func RegisterNamed(rootID string, new func(c *Config) (Filter, error)) { registered[rootID] = new }

// Instance returns an instance of a module that has one filter, for package sdktest:
// tests call that.
func Instance(new func(c *Config) (Filter, error)) host.Guest {
	return newGuest(map[string]maker{"": new})
}

// Registered returns an instance of the module with all that was registered, for package
// sdktest: tests call that.
func Registered() host.Guest { return newGuest(registered) }
