package apiserver

import "syscall"

// ownGroup keeps signals to the test from the server, and ends the server with
// the test even where that is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
