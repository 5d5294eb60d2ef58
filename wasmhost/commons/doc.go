// Package commons holds what guests of one VM id have in common, on all instances and
// over reloads: data with compare-and-swap, queues, and metrics.
package commons
