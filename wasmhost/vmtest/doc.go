// Package vmtest makes guests for tests: tiny modules that are assembled in memory, and
// hostile ones. Only tests import it.
package vmtest
