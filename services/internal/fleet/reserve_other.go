//go:build !unix

package fleet

import "io"

// reserve cannot keep an address without listening on it here.
func reserve(string) io.Closer { return nil }
