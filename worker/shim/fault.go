package shim

import (
	"errors"
	"io/fs"
	"syscall"
)

// Codes of a start that failed for what the charge names, as shells give them.
const (
	codeCannotRun = 126 // it is there, and cannot be executed or entered
	codeNotFound  = 127 // it is not there
)

// executeError is a failure of the kernel to make the container's process, enter its directory
// or execute its command. Nothing else of a start is about what the charge names.
type executeError struct{ error }

func (e *executeError) Unwrap() error { return e.error }

// unusable are the kernel's reasons for which a file or a directory that is there cannot be
// used, beside those for which its permission is denied. What it lacks (EAGAIN, ENOMEM, EMFILE,
// ENOSPC) and what may be broken (EIO, ESTALE, ENOTCONN) is not among them.
var unusable = []syscall.Errno{
	syscall.ENOTDIR, syscall.EISDIR, syscall.ENOEXEC, syscall.ELIBBAD, syscall.ETXTBSY,
	syscall.ELOOP, syscall.ENAMETOOLONG, syscall.E2BIG,
}

// FaultCode tells by the error of a command or a directory whether it is that which is to blame:
// 127 where it is not there, 126 where it cannot be used, 0 where the machine is.
func FaultCode(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return codeNotFound
	case errors.Is(err, fs.ErrPermission):
		return codeCannotRun
	}
	for _, errno := range unusable {
		if errors.Is(err, errno) {
			return codeCannotRun
		}
	}
	return 0
}
