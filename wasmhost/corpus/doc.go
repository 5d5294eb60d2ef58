// Package corpus has guests that others wrote, or that the tools of others make: what a
// host meets in the wild. None of them is kept in the tree. Sources come from the Go
// module proxy, npm and the crate registry, at exact versions, or are a few lines below
// testdata; the tools are Debian's, as .ci/run installs them. What was made is kept in
// the user's cache directory, below weir-ci/guests, under a hash of everything that it
// was made from.
//
// Only tests import it. Where a tool or a registry is missing, the test that wanted the
// guest is skipped, or fails where WEIR_CI is set.
package corpus
