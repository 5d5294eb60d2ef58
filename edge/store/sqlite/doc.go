// Package sqlite keeps a store in one file, for the processes of one machine: the
// server, and commands that are run beside it.
//
// # Where the data are
//
// The file has the tables (weir store export writes them in a form for other programs;
// the sqlite3 command reads them while weir runs):
//
//	entry    key, value, version, expires (Unix time in microseconds, NULL for never)
//	lease    name, holder, fence, expires
//	change   seq, key: the last few thousand changes, for those who watch
//	counter  value: the number that was last used as a version or fence
//
// and beside it, while it is open, the log PATH-wal and PATH-shm, which belong to it:
// copying the file alone copies less than is in it. It is created with mode 0600 in a
// directory of mode 0700; one that others may read is refused, as keys are in it. So are
// network file systems, whose locks cannot be relied on.
//
// # What can be relied on
//
// A commit is on the disk when it returns (write-ahead log, synchronous=FULL): what was
// acknowledged survives a crash of the machine. Commits that come at the same time share
// one flush. A transaction that another process holds open makes writers wait until
// their deadline, readers not. A damaged or emptied file is an error and never begun
// anew; a full disk is an error that is syscall.ENOSPC, and what was there stays.
//
// Versions and fences are the larger of the last one plus 1 and the time in
// microseconds, so they are not used again after an older copy was put back.
//
// # Clock
//
// Expiry goes by the machine's clock, which all processes share. When it is set
// forward, entries and leases end early, and fences keep late holders from writing;
// when it is set back, they last longer by so much.
//
// # Process-wide locks
//
// No other code of the process may open and close the file: POSIX drops all of a
// process's locks on a file when it closes any descriptor of it.
package sqlite
