// Command berth-shim supervises one container, started by a worker's agent and
// outliving it. It is no tool for people: package worker/shim says what it does.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/berthd/berth/worker/shim"
)

// version is set by the build.
var version = "unknown"

func main() {
	idle := len(os.Args) > 1 && os.Args[1] == shim.Idle
	if len(os.Args) > 1 && !idle {
		fmt.Println("berth-shim", version, "(started by `berth worker`, once for each container)")
		return
	}
	// The first thread stays with this goroutine: see shim.Main.
	runtime.LockOSThread()
	// The heap is small; without this it would grow to the runtime's least goal
	// of 4 MB before it is collected.
	debug.SetGCPercent(20)
	// Only the agent's word and the deadline end a container. Caught and not
	// ignored, for what is ignored would be so in the container too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	if err := shim.Main(idle); err != nil {
		fmt.Fprintln(os.Stderr, "berth-shim:", err)
		os.Exit(1)
	}
}
