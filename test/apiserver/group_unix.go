//go:build unix && !linux

package apiserver

import "syscall"

// ownGroup keeps signals to the test from the server.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
