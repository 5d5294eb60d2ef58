//go:build !unix

package main

import "os"

// columns is the width of the terminal that f is; 0: that is not known.
func columns(*os.File) int { return 0 }
