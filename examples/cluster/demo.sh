#!/bin/sh
# Runs an authority, with the options that this is given, and two nodes until Ctrl-C.
# WEIR names the program.
set -eu
cd "$(dirname "$0")"
rm -rf run
mkdir run
go build -o run/authority ./authority

pids=
trap : INT # of a terminal, which tells them, too
trap 'kill $pids 2>/dev/null || :' TERM

# until_true waits for a command to succeed, and ends all if what was started last does.
until_true() {
	until "$@" 2>/dev/null; do
		kill -0 $! 2>/dev/null || {
			tail -n 1 run/*.log 2>/dev/null || :
			kill $pids 2>/dev/null || :
			exit 1
		}
		sleep 0.1
	done
}

run/authority "$@" &
pids=$!
until_true test -s run/root.pem

for node in 127.0.0.1 127.0.0.2; do
	# Whom to believe for the authority's API is said as to any program.
	NODE=$node SSL_CERT_FILE=run/api.pem "${WEIR:-../../weir}" run >run/$node.log 2>&1 &
	pids="$pids $!"
	echo $! >run/$node.pid
	until_true grep -q '"msg":"started"' run/$node.log
	echo "node at https://$node:8443, its log is examples/cluster/run/$node.log"
done
wait || wait || : # the first one ends with a signal
