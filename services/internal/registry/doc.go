// Package registry is the outlets and the settings as the log has them: read
// as of any sequence, checked, imported from a file, written without losing
// somebody else's change.
package registry
