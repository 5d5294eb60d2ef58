// Package cgi runs WASI commands as CGI/1.1 programs (RFC 3875), one instance for each
// request: the environment tells what is asked, standard input is the content, standard
// output the answer, and lines on standard error go to the log.
//
//	handler.go  one request: what it waits for, what becomes of failures
//	env.go      the environment
//	input.go    the content of requests
//	run.go      one instance at work, on a goroutine of its own
//	output.go   what it writes: the head, then content with back-pressure
//	head.go     parsing the head
//	body.go     the content, as who sends the response reads it
//	dir.go      directories of programs
//
// What bounds a run: Limits.Request is all that it may compute (1 s), Limits.Wall how
// long it may be silent while nobody keeps it waiting (30 s), Limits.Instances how many
// run at a time (64); others wait for Limits.Queue.
package cgi
