//go:build !linux

package sqlite

// remote returns the name of the network file system that dir is on; here it is not known.
func remote(string) string { return "" }

// freeSpace returns how many bytes can be written to the disk of dir; here it is not known.
func freeSpace(string) (int64, bool) { return 0, false }
