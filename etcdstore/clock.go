package etcdstore

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// boottime counts while the machine is suspended, as a lease does.
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("fencing needs CLOCK_BOOTTIME, which every Linux has: %v", err))
	}
	return time.Duration(ts.Nano())
}
