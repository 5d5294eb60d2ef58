// Package cgi runs WASI commands as CGI/1.1 programs (RFC 3875), one instance for each
// request.
package cgi
