//go:build !race

package cgi

const raced = false
