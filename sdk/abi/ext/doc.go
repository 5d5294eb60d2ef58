// Package ext is what weir offers to Proxy-Wasm guests beyond the ABI: functions by
// name, for proxy_call_foreign_function, and what proxy_on_foreign_function tells. One
// table for hosts and guests; sdk/HOST.md says what each function does. It imports
// nothing of weir but the ABI's numbers.
package ext
