// Package static answers requests with files of a directory.
//
// A [Handler] resolves the canonical path of a request to a name below its root
// and answers with what it finds: a file, its precompressed sibling, a
// redirect to a directory's path, or a listing. Conditional and range requests
// follow RFC 9110 §13 and §14.
//
// # The jail
//
// Files are only ever reached through [os.Root], so that neither "..", nor a
// symlink, nor a race with someone who moves directories about leads outside.
// What is no regular file or directory (FIFO, socket, device) does not exist,
// and neither does what is hidden: hidden from listings and refused are one thing.
//
// # The cache
//
// What a name stands for is remembered in a [Cache]: small files with their
// content, larger ones as an open file that all their responses share. It is held against the disk again at most once per
// [Options.MaxAgeCheck], so a hot request opens nothing, stats nothing and
// allocates nothing, and still no answer is older than that interval at the time
// its request arrived.
package static
