//go:build !race

package c_test

const raced = false
