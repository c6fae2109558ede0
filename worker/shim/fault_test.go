package shim

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// A command or a directory is to blame where it is not there or cannot be used; for whatever
// else the kernel refuses to run it, the machine is.
func TestFaultCode(t *testing.T) {
	for errno, want := range map[syscall.Errno]int{
		syscall.ENOENT: 127, syscall.EACCES: 126, syscall.EPERM: 126, syscall.ENOTDIR: 126, syscall.ENOEXEC: 126, syscall.ELOOP: 126, syscall.E2BIG: 126,
		syscall.EAGAIN: 0, syscall.ENOMEM: 0, syscall.ENOSPC: 0, syscall.EMFILE: 0, syscall.EIO: 0, syscall.ESTALE: 0, syscall.EBUSY: 0, syscall.EINVAL: 0,
	} {
		err := fmt.Errorf("execute: %w", &os.PathError{Op: "stat", Path: "/x", Err: errno})
		if got := FaultCode(err); got != want {
			t.Errorf("%v has code %d, want %d", errno, got, want)
		}
	}
}
