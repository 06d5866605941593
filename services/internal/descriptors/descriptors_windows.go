// Package descriptors is how many files and connections this process may have open:
// what its parts may take of them is a share of that.
package descriptors

// Allowed is as on a usual system elsewhere: Windows knows no such limit.
func Allowed() uint64 { return 4000 }
