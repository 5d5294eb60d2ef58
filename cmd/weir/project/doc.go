// Package project knows the projects that guests are built from: how one begins, in which
// language it is, what compiles it, and when its files have changed. It runs compilers
// and nothing that they make.
package project
