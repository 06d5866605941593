//go:build unix

package sambatest

import (
	"os/exec"
	"syscall"
	"time"
)

// ownGroup gives the command a process group of its own, as smbd has a process for each connection.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// endGroup ends the command and all its children, and returns when the command has ended.
func endGroup(cmd *exec.Cmd, ended <-chan struct{}, patience time.Duration) {
	group := -cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // it may have ended by itself
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
	_ = syscall.Kill(group, syscall.SIGKILL) // children may be left
	<-ended
}
