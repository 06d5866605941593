// Package ui carries the built web app, so that one binary serves it.
package ui

import (
	"embed"
	"io/fs"
)

// dist is what `make ui` builds. A fresh clone holds only .gitkeep, so that
// the binary always compiles; Built tells the two apart.
//
//go:embed all:dist
var dist embed.FS

// Files returns the built app, index.html at its root.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // fs.Sub fails only for an invalid name, and this one is a constant
	}
	return sub
}

// Built tells whether the app was built into this binary.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}
