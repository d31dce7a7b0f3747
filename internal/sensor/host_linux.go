//go:build amd64 || arm64

package sensor

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// host is what tells processes of the host from those in containers.
type host struct {
	mounts     uint32 // inode of its mount namespace
	rootInode  uint64
	rootDevice uint32 // as the kernel encodes it
	cgroups    string // where the unified tree of control groups is mounted
}

func lookAtHost() (*host, error) {
	h := &host{}
	first, own, err := firstRoot()
	if err != nil {
		return nil, unavailable("the first process of the machine is not readable: %w", err)
	}
	// Where its mounts are the own ones, the own process is asked: the first one may
	// have capabilities that hide it even from root.
	process := "/proc/1"
	if first.mount == own.mount {
		process = "/proc/self"
	}
	h.rootDevice = first.device
	if h.mounts, err = namespace(process, "mnt"); err == nil {
		h.rootInode, err = inodeOf(process + "/root/")
	}
	if err != nil && os.Geteuid() != 0 {
		return nil, because(os.ErrPermission)
	} else if err != nil {
		return nil, unavailable("the root of the machine's first process is not readable; in a container, give the sensor the host's processes and CAP_SYS_PTRACE: %w", err)
	}
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer table.Close()
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 9 {
			continue
		}
		for i, f := range fields[:len(fields)-1] {
			if f == "-" && fields[i+1] == "cgroup2" && fields[3] == "/" && h.cgroups == "" {
				h.cgroups = unescape(fields[4])
			}
		}
	}
	if h.cgroups == "" {
		return nil, unavailable("no unified tree of control groups (cgroup2) is mounted")
	}
	return h, nil
}

// rootMount is what a process has at /.
type rootMount struct {
	mount  string // number of the mount: in another namespace it has another one
	device uint32 // as mountinfo has it, which is not what stat says on file systems with volumes
}

// firstRoot reads the root of the machine's first process, and the own one.
func firstRoot() (first, own rootMount, err error) {
	if first, err = rootOf("/proc/1/mountinfo"); err != nil {
		return first, own, err
	}
	own, err = rootOf("/proc/self/mountinfo")
	return first, own, err
}

func rootOf(table string) (r rootMount, err error) {
	text, err := os.ReadFile(table)
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[4] != "/" {
			continue
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err != nil {
			return r, fmt.Errorf("%s: %w", table, err)
		}
		r = rootMount{fields[0], major<<20 | minor} // the last one is on top
	}
	if r.mount == "" {
		return r, fmt.Errorf("%s names no root", table)
	}
	return r, nil
}

func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// namespace is the number of a process's namespace, such as mnt. The link can be read
// where it cannot be followed.
func namespace(process, kind string) (uint32, error) {
	name, err := os.Readlink(process + "/ns/" + kind)
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(name, kind+":["), "]"), 10, 32)
	return uint32(number), err
}

func inodeOf(path string) (uint64, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(path, &s); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return s.Ino, nil
}

// checkKernel refuses kernels for which the programs were never tried.
func checkKernel() error { return checkRelease(release()) }

// release of the kernel that runs.
func release() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

// isBefore says whether a release is older than another one; not, when it is not readable.
func isBefore(release string, major, minor int) bool {
	var m, n int
	_, err := fmt.Sscanf(release, "%d.%d", &m, &n)
	return err == nil && (m < major || m == major && n < minor)
}

func checkRelease(release string) error {
	if isBefore(release, 5, 10) {
		return unavailable("Linux 5.10 or newer is needed, and this is %s", release)
	}
	return nil
}

// mostGroups bounds a walk over the tree of control groups.
const mostGroups = 100_000

// groupPaths maps the numbers of control groups to their paths.
func (h *host) groupPaths() map[uint64]string {
	paths := map[uint64]string{}
	_ = filepath.WalkDir(h.cgroups, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // it went away meanwhile
		}
		if !d.IsDir() {
			return nil
		}
		if len(paths) == mostGroups {
			return fs.SkipAll
		}
		if number, err := inodeOf(path); err == nil {
			paths[number] = "/" + strings.TrimPrefix(strings.TrimPrefix(path, h.cgroups), "/")
		}
		return nil
	})
	return paths
}

// running is a process that was there before the sensor.
type running struct {
	pid, parent uint32
	first       bool // the first one of its process namespace
	contained   bool
	program     string // path; as the kernel's half writes it
	group       string // path of its control group
	users       uint32 // number of its user namespace
}

// processes reads the processes that are there. One that ends meanwhile is left out.
func (h *host) processes() (list []running) {
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.ParseUint(d.Name(), 10, 32)
		if err != nil {
			continue
		}
		if r, err := h.process(uint32(pid)); err == nil {
			list = append(list, r)
		}
	}
	return list
}

func (h *host) process(pid uint32) (r running, err error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	r.pid = pid
	if r.program, err = os.Readlink(dir + "exe"); err != nil {
		return r, err // a thread of the kernel, too
	}
	name, deleted := strings.CutSuffix(r.program, " (deleted)")
	if memory, ok := strings.CutPrefix(name, "/memfd:"); ok && deleted {
		name = ":memfd:" + memory
	}
	r.program = name
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch {
		case len(fields) == 0:
		case key == "PPid":
			parent, _ := strconv.ParseUint(fields[0], 10, 32)
			r.parent = uint32(parent)
		case key == "NSpid":
			r.first = fields[len(fields)-1] == "1"
		}
	}
	mounts, err := namespace(dir, "mnt")
	if err != nil {
		return r, err
	}
	if r.users, err = namespace(dir, "user"); err != nil {
		return r, err
	}
	if mounts != h.mounts {
		var root unix.Stat_t
		if err := unix.Stat(dir+"root/", &root); err != nil {
			return r, err
		}
		device := unix.Major(root.Dev)<<20 | unix.Minor(root.Dev)
		r.contained = root.Ino != h.rootInode || device != h.rootDevice
	}
	groups, err := os.ReadFile(dir + "cgroup")
	for line := range strings.Lines(string(groups)) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			r.group = path
		}
	}
	return r, err
}
