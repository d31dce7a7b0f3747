//go:build amd64 || arm64

package sensor

import (
	"encoding/binary"
	"maps"
	"path/filepath"

	"github.com/cilium/ebpf"

	"ullage.dev/ullage/internal/behavior"
)

// names knows what program stands behind a hash.
type names struct {
	paths map[[2]uint64]string
	files map[uint64]map[[2]uint64]behavior.File // of each control group
}

func newNames() *names {
	return &names{paths: map[[2]uint64]string{}, files: map[uint64]map[[2]uint64]behavior.File{}}
}

// mostPaths bounds what is remembered of programs that may be gone.
const mostPaths = 1 << 16

func (n *names) add(cgroup uint64, hash [2]uint64, f behavior.File) {
	if len(n.paths) >= mostPaths {
		clear(n.paths)
	}
	n.paths[hash] = f.Path
	if n.files[cgroup] == nil {
		n.files[cgroup] = map[[2]uint64]behavior.File{}
	}
	n.files[cgroup][hash] = f
}

func (n *names) forget(cgroup uint64) { delete(n.files, cgroup) }

// path is "" for a program that is not known.
func (n *names) path(hash [2]uint64) string { return n.paths[hash] }

func (n *names) known(hash [2]uint64) bool {
	_, ok := n.paths[hash]
	return ok
}

// forgetUnknown lets what was looked for in vain be looked for again.
func (n *names) forgetUnknown() {
	maps.DeleteFunc(n.paths, func(_ [2]uint64, path string) bool { return path == "" })
}

// program is what a group runs; its layer is not known when the group was not seen
// to begin it.
func (n *names) program(cgroup uint64, hash [2]uint64) behavior.File {
	if f, ok := n.files[cgroup][hash]; ok {
		return f
	}
	return behavior.File{Path: n.paths[hash]}
}

// hashPath is the hash by which the kernel's half knows a program.
func hashPath(seed [2]uint64, path string) [2]uint64 {
	var buffer [512]byte
	if len(path) > len(buffer) {
		path = path[len(path)-len(buffer):]
	}
	at := len(buffer) - len(path)
	copy(buffer[at:], path)
	hash := seed
	for i := at / 8; i < len(buffer)/8; i++ {
		word := binary.NativeEndian.Uint64(buffer[i*8:])
		hash[0] = (hash[0] ^ word) * 0x9fb21c651e98df25
		hash[0] ^= hash[0] >> 32
		hash[1] = (hash[1] + word) * 0xd6e8feb86659fd93
		hash[1] ^= hash[1] >> 29
	}
	return hash
}

// inherit tells the kernel's half what was running before it. Whoever began a
// program meanwhile is known there, and better.
func (r *reader) inherit() {
	list := r.sensor.host.processes()
	byPID := map[uint32]*running{}
	for i := range list {
		byPID[list[i].pid] = &list[i]
	}
	for i := range list {
		p := &list[i]
		hash := hashPath(r.seed, p.program)
		if len(r.names.paths) < mostPaths {
			r.names.paths[hash] = trimMemory(p.program)
		}
		known := kernelProcess{Program: hash, Session: p.session(byPID), Users: p.users}
		r.inheritContainer(p)
		// One that finds no room stays unnamed, as if it had begun before.
		_ = r.sensor.maps.Processes.Update(p.pid, &known, ebpf.UpdateNoExist)
	}
}

// inheritContainer reads what is known of a process's container while it is there.
func (r *reader) inheritContainer(p *running) {
	if !p.contained || p.group == "" {
		return
	}
	id, err := inodeOf(filepath.Join(r.sensor.host.cgroups, p.group))
	if err != nil {
		return
	}
	if g, began := r.groups.of(id, true); began {
		r.inherited = append(r.inherited, g.container)
	}
}

// session is how a process came into its container.
func (p *running) session(all map[uint32]*running) uint32 {
	if !p.contained {
		return sessionNone
	}
	for above, steps := p, 0; above != nil && above.contained && steps < 4096; above, steps = all[above.parent], steps+1 {
		if above.first {
			return sessionEntry
		}
	}
	return sessionJoined
}

func trimMemory(path string) string {
	if path != "" && path[0] == ':' {
		return path[1:]
	}
	return path
}
