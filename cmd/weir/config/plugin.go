package config

import "time"

// Plugin is a module of WebAssembly, and what its guests are given.
type Plugin struct {
	Pos Pos
	// Name is the key under plugins; empty for a plugin that stands where it is used.
	Name string
	// Wasm is the path of the module. SHA256 is what its content must have, in
	// lower-case hex; empty: anything.
	Wasm, SHA256 string
	// Config is what filters read as their configuration, VMConfig as that of their VM.
	Config, VMConfig Data
	// VMID is whose data and queues the guests share; empty: nobody else's.
	VMID string
	// RootID chooses one of several filters in a module.
	RootID string
	// Args are the arguments of a command, after its name.
	Args   []string
	Limits PluginLimits
	Grants Grants
	// OnError is "closed" or "open".
	OnError string
	// Isolation is "shared", "filter" or "request".
	Isolation string
	// HoldHeaders has a Proxy-Wasm guest see the body while it holds the headers.
	HoldHeaders bool
	// Interpreter runs guests without compiling them.
	Interpreter bool
}

// Data is what a guest gets as it is: a text, or JSON where a mapping or list was written.
type Data struct {
	Pos  Pos // zero Line: nothing was written
	Text string
}

// PluginLimits bound what guests may take. Zero is "auto" where the comment says so, and
// does not occur elsewhere.
type PluginLimits struct {
	Pos        Pos
	Memory     int64         // bytes, of one instance
	CPU        time.Duration // of one call
	RequestCPU time.Duration // of all calls of one request; 0: auto
	Start      time.Duration // of CPU, for an instance to start and configure itself
	Wall       time.Duration // of one call by the clock; 0: auto
	Instances  int           // 0: auto
	Queue      time.Duration // that a request waits for an instance
	Body       int64         // bytes, held for a guest that wants a body whole
	Logs       int           // lines a second, of one instance
	Calls      int           // to upstreams at once, of one instance
	Store      int64         // bytes, of each part of the store that the plugin writes to
}

// Grants are what guests may reach; nothing by default.
type Grants struct {
	Pos       Pos
	Env       []Field // names as written
	Files     []Mount
	Upstreams []Text   // names of Config.Upstreams
	URLs      []Text   // origins, such as "https://api.example.com"
	Store     []string // parts of the store, beside the plugin's own
	Keys      []GrantKey
}

// GrantKey is a key that guests may use and never see. Without a secret or an Ed25519 key
// weir makes one.
type GrantKey struct {
	Pos  Pos
	Name string
	// Secret is for HMAC-SHA256, of 32 bytes at least. Ed25519 is a private key, PKCS#8 in
	// PEM. Both may be [redacted], which is neither.
	Secret, Ed25519 string
}

// Mount is a directory that guests see as another one.
type Mount struct {
	Pos   Pos
	Host  string // resolved as other paths are
	Guest string // begins with a slash
	Write bool
}

// Bundled returns the names of the filters that weir brings along, which may be used where
// plugins are named. An entry of plugins with such a name takes its place.
func Bundled() []string { return []string{"basic-auth", "cors", "echo", "headers"} }

// BundledModule stands for the file of the module that has them, in [Plugin.Wasm].
const BundledModule = "bundled filters"

// BundledPlugin returns the plugin that has all of them, as it would be written.
func BundledPlugin() Plugin {
	p := Plugin{Name: "weir.filters", Wasm: BundledModule, OnError: "closed", Isolation: "shared"}
	fillPluginLimits(nil, &p.Limits)
	return p
}

// PluginUse is a place where a plugin is used: as a filter, or to answer.
type PluginUse struct {
	Pos Pos
	// Name is that of an entry of plugins. When it is empty, Plugin stands here.
	Name Text
	// Plugin has, with a Name, only the Config and RootID that differ from the entry's.
	Plugin Plugin
}

// CGI runs .wasm files of a root as programs.
type CGI struct {
	Pos Pos
	// Dirs are paths of requests, such as "/cgi-bin"; at least one.
	Dirs   []Text
	Limits PluginLimits
	Grants Grants
}
