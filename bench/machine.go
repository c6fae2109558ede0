package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Circumstances of a measurement: figures of unlike ones are not to be compared.
type Circumstances struct {
	Version string    `json:"version"` // of this program
	At      time.Time `json:"at"`      // its end
	Machine Machine   `json:"machine"`
}

func (o *Options) circumstances() Circumstances {
	return Circumstances{Version: o.Version, At: time.Now().UTC(), Machine: o.machine()}
}

// Machine is what was measured on.
type Machine struct {
	CPU         string `json:"cpu"`          // the model, as the kernel says it
	MemoryBytes int64  `json:"memory_bytes"` // of the machine
	Kernel      string `json:"kernel"`
	FileSystem  string `json:"file_system"` // where stores were; of an external store: empty
	Go          string `json:"go"`
}

func (o *Options) machine() Machine {
	m := Machine{CPU: cpuModel(), Go: runtime.Version() + " " + runtime.GOARCH}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		m.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		m.MemoryBytes = int64(info.Totalram) * int64(info.Unit)
	}
	if o.Dial != nil {
		return m
	}
	dir := o.StoreDir
	if dir == "" {
		dir = os.TempDir()
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err == nil {
		m.FileSystem = fileSystem(fs.Type)
	}
	return m
}

// fileSystem names those that stores are usually on.
func fileSystem(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	}
	return fmt.Sprintf("%#x", magic)
}

// cpuModel is empty where the kernel does not tell.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
