package config

import "strings"

// borrowed are keys that users of other proxies bring along, in lower case and
// without _ and -, and what to write in weir's file.
var borrowed = map[string]string{
	"reverseproxy": "write proxy: 127.0.0.1:9000", "proxypass": "write proxy: 127.0.0.1:9000", "backend": "write proxy: 127.0.0.1:9000",
	"handlepath": "write a route with match:, and proxy: {to: …, strip_prefix: …}", "location": "write routes: [{match: /path/*, …}]", "fileserver": "write root: DIR",
	"servers": "write to: [10.0.0.1:9000, 10.0.0.2:9000]", "backends": "write to: [10.0.0.1:9000, 10.0.0.2:9000]", "targets": "write to: [10.0.0.1:9000, 10.0.0.2:9000]", "loadbalancer": "write to: [10.0.0.1:9000, 10.0.0.2:9000]",

	"lbpolicy": "write balance: round-robin", "loadbalancing": "write balance: round-robin", "strategy": "write balance: round-robin", "leastconn": "write balance: least-requests", "iphash": "write balance: {hash: ip}",
	"lbretries": "write retry: 2", "lbtryduration": "write retry: 2", "retries": "write retry: 2", "maxretries": "write retry: 2", "proxynextupstream": "write retry: 2",
	"healthuri": "write health: /healthz", "healthpath": "write health: /healthz", "healthcheck": "write health: /healthz", "healthchecks": "write health: /healthz",
	"maxfails": "write eject: {failures: 5, for: 10s}", "failtimeout": "write eject: {failures: 5, for: 10s}", "failduration": "write eject: {failures: 5, for: 10s}", "outlierdetection": "write eject: {failures: 5, for: 10s}",
	"upstreamlimits maxconns": "write requests", "maxconns": "write limits: {requests: 100}", "maxconnections": "write limits: {requests: 100}", "keepalive": "write limits: {idle: 64} and timeouts: {keep_alive: 60s}", "maxidleconns": "write limits: {idle: 64}",

	"connecttimeout": "write timeouts: {connect: 5s}", "dialtimeout": "write timeouts: {connect: 5s}", "proxyconnecttimeout": "write timeouts: {connect: 5s}", "dial": "write connect",
	"readtimeout": "write timeouts: {response: 60s, idle: 60s}: to the head of the answer, and between two pieces of a body", "proxyreadtimeout": "write timeouts: {response: 60s, idle: 60s}: to the head of the answer, and between two pieces of a body",
	"responseheadertimeout": "write timeouts: {response: 60s}", "writetimeout": "write timeouts: {idle: 60s}", "proxysendtimeout": "write timeouts: {idle: 60s}",
	"upstreamtimeouts read": "write response: to the head of the answer, or idle: between two pieces of a body", "upstreamtimeouts write": "write idle: between two pieces of a body", "upstreamtimeouts send": "write idle: between two pieces of a body",

	"tlsinsecureskipverify": "write tls: {insecure: true}, or better: tls: {ca: FILE}", "insecureskipverify": "write tls: {insecure: true}, or better: tls: {ca: FILE}", "insecure": "write tls: {insecure: true}, or better: tls: {ca: FILE}", "proxysslverify": "upstreams are verified; tls: {ca: FILE} says by whom",
	"tlsservername": "write tls: {server_name: NAME}", "tlstrustpool": "write tls: {ca: FILE}", "rootcas": "write tls: {ca: FILE}",

	"headerup": "write headers: {request: {set: {X-Name: value}}} beside proxy", "headersup": "write headers: {request: {set: {X-Name: value}}} beside proxy", "proxysetheader": "write headers: {request: {set: {X-Name: value}}} beside proxy", "customrequestheaders": "write headers: {request: {set: {X-Name: value}}} beside proxy",
	"headerdown": "write headers: {response: {set: {X-Name: value}}} beside proxy", "addheader": "write headers: {response: {set: {X-Name: value}}} beside proxy", "customresponseheaders": "write headers: {response: {set: {X-Name: value}}} beside proxy",
	"proxy headers": "write headers beside proxy, not into it", "proxy rewrite": "write rewrite beside proxy, or strip_prefix and add_prefix", "proxy cache": "write cache beside proxy, not into it",
	"passhostheader": "write host: client, which is the default, or host: upstream", "preservehost": "write host: client, which is the default, or host: upstream", "hostheader": "write host: client, upstream, or a name",
	"websocket": "nothing is needed: WebSocket passes by itself, unless upgrade: false forbids it", "websockets": "nothing is needed: WebSocket passes by itself, unless upgrade: false forbids it",
	"flushinterval": "nothing is needed: bodies stream as they come, unless buffer: says otherwise", "proxybuffering": "nothing is needed: bodies stream as they come, unless buffer: says otherwise",

	"wasm": "write filters: [FILE], or module: FILE", "plugin": "write filters: [NAME or FILE]", "middlewares": "write filters: [NAME or FILE]", "middleware": "write filters: [NAME or FILE]", "httpfilters": "write filters: [NAME or FILE]", "wasmfilters": "write filters: [NAME or FILE]", "filter": "write filters: [NAME or FILE]",
	"experimental": "write plugins: {NAME: {wasm: FILE}}", "wasmplugins": "write plugins: {NAME: {wasm: FILE}}", "modules": "write plugins: {NAME: {wasm: FILE}}, or module: FILE in a site",
	"plugin configuration": "write config: …", "plugin pluginconfig": "write config: …", "plugin settings": "write config: …", "plugin args": "write config: …", "filter configuration": "write config: …", "plugin vmconfiguration": "write vm_config: …",
	"plugin failopen": "write on_error: open", "plugin failurepolicy": "write on_error: open, or closed", "plugin failpolicy": "write on_error: open, or closed",
	"plugin code": "write wasm: FILE", "plugin file": "write wasm: FILE", "plugin path": "write wasm: FILE", "plugin filename": "write wasm: FILE", "plugin modulename": "write wasm: FILE", "plugin module": "write wasm: FILE", "plugin local": "write wasm: FILE",
	"plugin url": "write wasm: FILE; modules are files of this machine", "plugin image": "write wasm: FILE; modules are files of this machine", "plugin name": "write use: NAME, or the name as key under plugins", "filter name": "write use: NAME",
	"plugin rootcontext": "write root_id: ID", "plugin phase": "order filters by their place in the list", "plugin priority": "order filters by their place in the list", "plugin runtime": "nothing is needed: there is one runtime",
	"plugin allowonheadersstopiteration": "write hold_headers: true", "plugin env": "write grants: {env: {NAME: value}}", "plugin environmentvariables": "write grants: {env: {NAME: value}}", "plugin environ": "write grants: {env: {NAME: value}}",
	"plugin mounts": "write grants: {files: [/srv/data:/data]}", "plugin files": "write grants: {files: [/srv/data:/data]}", "plugin upstreams": "write grants: {upstreams: [NAME]}", "plugin clusters": "write grants: {upstreams: [NAME]}",
	"plugin memory": "write limits: {memory: 32MiB}", "plugin cpu": "write limits: {cpu: 20ms}", "plugin timeout": "write limits: {wall: 1s}", "plugin poolsize": "write limits: {instances: 16}", "pluginlimits timeout": "write wall: 1s", "pluginlimits poolsize": "write instances: 16", "pluginlimits fuel": "write cpu: 20ms: a million units of fuel are a millisecond", "pluginlimits memorylimit": "write memory: 32MiB",
	"cgibin": "write cgi: /cgi-bin", "scriptalias": "write cgi: /cgi-bin", "fastcgi": "write cgi: /cgi-bin for programs in WebAssembly; weir runs no others",

	"clientmaxbodysize": "write limits: {body: 10MiB}", "maxbodysize": "write limits: {body: 10MiB}", "bodylimit": "write limits: {body: 10MiB}", "requestbody": "write limits: {body: 10MiB}", "maxrequestbodybytes": "write limits: {body: 10MiB}",
	"proxycachevalid": "write cache: {ttl: 1m}", "proxycache": "write cache: true", "setrealipfrom": "write trusted_proxies: [10.0.0.0/8]", "forwardedheaders": "write trusted_proxies: [10.0.0.0/8]",
}

// hintFor says how weir has what others call key; "" if it is not known. object is
// what it stands in.
func hintFor(object, key string) string {
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(lower(s)) }
	if hint := borrowed[plain(object)+" "+plain(key)]; hint != "" {
		return hint
	}
	return borrowed[plain(key)]
}
