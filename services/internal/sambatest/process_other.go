//go:build !unix

package sambatest

import (
	"os/exec"
	"time"
)

// ownGroup does nothing: smbd is a program of Unix.
func ownGroup(*exec.Cmd) {}

// endGroup ends the command.
func endGroup(cmd *exec.Cmd, ended <-chan struct{}, _ time.Duration) {
	_ = cmd.Process.Kill() // it may have ended by itself
	<-ended
}
