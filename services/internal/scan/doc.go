// Package scan is one scan as everybody sees it who only has the log: how far
// it has come, how to ask for one, how to follow one. The scheduler, the
// gateway and the command line share it, so that all count alike.
package scan
