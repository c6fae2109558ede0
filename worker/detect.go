package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
)

// Ports that a worker gives out unless told otherwise: below the range that
// Linux takes for outgoing connections (32768 and up).
const (
	firstPort = 20000
	lastPort  = 32767
)

// Kept back for the system, unless told otherwise.
const (
	minReservedCPUMilli    = 100
	minReservedMemoryBytes = 512 << 20
)

// Reserve is what is kept back for the system; a field below zero means the
// default: 5 % of the CPU but at least a tenth of a core, and 10 % of the memory
// but at most 512 MiB.
type Reserve struct {
	CPUMilli    int64
	MemoryBytes int64
}

// DefaultReserve keeps the defaults back.
var DefaultReserve = Reserve{CPUMilli: -1, MemoryBytes: -1}

// Detect returns what this machine has, within the limits of the agent's own
// cgroup, less what is kept back; disk is what is free where dir is. Devices are
// not looked for.
func Detect(dir string, keep Reserve) (berth.Capacity, error) {
	memory, err := machineMemory()
	if err != nil {
		return berth.Capacity{}, fmt.Errorf("detect memory: %w", err)
	}
	disk, err := freeDisk(dir)
	if err != nil {
		return berth.Capacity{}, fmt.Errorf("detect disk of %s: %w", dir, err)
	}
	limits := cgroupLimits{root: "/sys/fs/cgroup", self: "/proc/self/cgroup"}.read()
	cpu := int64(runtime.NumCPU()) * 1000 // what the affinity mask allows
	if limits.cpuMilli > 0 {
		cpu = min(cpu, limits.cpuMilli)
	}
	if limits.memoryBytes > 0 {
		memory = min(memory, limits.memoryBytes)
	}
	return berth.Capacity{
		Quantities: berth.Quantities{
			CPUMilli:    keep.cpu(cpu),
			MemoryBytes: keep.memory(memory),
			DiskBytes:   disk,
		},
		Ports: berth.PortRange{First: firstPort, Last: lastPort},
	}, nil
}

func (r Reserve) cpu(all int64) int64 {
	keep := r.CPUMilli
	if keep < 0 {
		keep = max(all/20, minReservedCPUMilli)
	}
	return max(all-keep, 0)
}

func (r Reserve) memory(all int64) int64 {
	keep := r.MemoryBytes
	if keep < 0 {
		keep = min(all/10, minReservedMemoryBytes)
	}
	return max(all-keep, 0)
}

func machineMemory() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.Join(errors.New("no MemTotal in /proc/meminfo"), lines.Err())
}

// freeDisk is what a user other than root could still write where dir is, or
// will be.
func freeDisk(dir string) (int64, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, nil
		}
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent
			continue
		}
		return 0, err
	}
}

// cgroupLimits reads what the agent's own cgroup, or one above it, allows.
// Zero: no limit, or none that can be read.
type cgroupLimits struct {
	root, self            string
	cpuMilli, memoryBytes int64
}

func (l cgroupLimits) read() cgroupLimits {
	b, err := os.ReadFile(l.self)
	if err != nil {
		return l
	}
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		controllers, path := parts[1], parts[2]
		if controllers == "" {
			l.climb(l.root, path, l.version2)
			continue
		}
		for controller := range strings.SplitSeq(controllers, ",") {
			switch controller {
			case "cpu":
				l.climb(filepath.Join(l.root, "cpu"), path, l.version1)
			case "memory":
				l.climb(filepath.Join(l.root, "memory"), path, l.version1)
			}
		}
	}
	return l
}

// climb reads the limits of a cgroup and of all above it. In a container, the
// path may be that of the host and not exist here; then the root is ours.
func (l *cgroupLimits) climb(root, path string, read func(dir string) (cpuMilli, memoryBytes int64)) {
	for dir := filepath.Join(root, filepath.Clean("/"+path)); ; dir = filepath.Dir(dir) {
		cpu, memory := read(dir)
		l.cpuMilli = tighter(l.cpuMilli, cpu)
		l.memoryBytes = tighter(l.memoryBytes, memory)
		if dir == root || len(dir) <= len(root) {
			return
		}
	}
}

func tighter(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

func (cgroupLimits) version2(dir string) (cpuMilli, memoryBytes int64) {
	if fields := strings.Fields(readText(filepath.Join(dir, "cpu.max"))); len(fields) == 2 {
		cpuMilli = quota(number(fields[0]), number(fields[1]))
	}
	return cpuMilli, number(readText(filepath.Join(dir, "memory.max")))
}

func (cgroupLimits) version1(dir string) (cpuMilli, memoryBytes int64) {
	cpuMilli = quota(number(readText(filepath.Join(dir, "cpu.cfs_quota_us"))), number(readText(filepath.Join(dir, "cpu.cfs_period_us"))))
	memory := number(readText(filepath.Join(dir, "memory.limit_in_bytes")))
	if memory >= 1<<60 { // how version 1 says "none"
		memory = 0
	}
	return cpuMilli, memory
}

func quota(quotaUS, periodUS int64) int64 {
	if quotaUS <= 0 || periodUS <= 0 || quotaUS > 1<<50 {
		return 0
	}
	return quotaUS * 1000 / periodUS
}

func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number is 0 for "max", for what is negative, and for what is no number.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// freeShare is the part of dir's disk that is free, 0 to 1.
func freeShare(dir string) (float64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	if st.Blocks == 0 {
		return 1, nil // a file system that does not say
	}
	return float64(st.Bavail) / float64(st.Blocks), nil
}
