// Package filters holds the filters that weir brings along. They are written as anybody
// would write them, with sdk/weir, and built to one module (`make filters`), of which the
// root id picks one.
package filters
