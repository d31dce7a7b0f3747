package sensor

import (
	"strings"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// Container is a control group that holds a container, or all of the machine that
// is in none.
type Container struct {
	Host    bool   // what runs outside of containers
	ID      string // as the runtime names it
	Runtime string // containerd, cri-o, docker, podman or "" when the path does not say
	Path    string // of the control group in the unified tree, "" when it is not known
	Cgroup  uint64 // number of the control group
	// What the runtime says of it; "" when it is not known.
	Name, Image    string
	Pod, Namespace string
	PodUID         string
	// Created is when its control group was made, zero when that was before the sensor.
	Created time.Time
	// Removed is when that went away, zero while it is there.
	Removed time.Time
}

// Label is the best short name.
func (c *Container) Label() string {
	switch {
	case c.Host:
		return "host"
	case c.Pod != "" && c.Name != "":
		return c.Namespace + "/" + c.Pod + "/" + c.Name
	case c.Name != "":
		return c.Name
	}
	return shortID(c.ID)
}

// Subject is what a node that has a name keeps the facts of the container under: a
// node does not know what workload a pod belongs to.
func (c *Container) Subject(node string) behavior.Subject {
	return (&Recorder{Node: node}).subject(c)
}

// Replica is what the container's coverage calls it.
func (c *Container) Replica(node string) string { return replicaOf(c, node) }

func shortID(id string) string {
	if isHex(id, 64) {
		return id[:12]
	}
	return id
}

// scopes are what runtimes write before the id in the name of a systemd scope.
var scopes = []struct{ prefix, runtime string }{
	{"cri-containerd-", "containerd"}, {"nerdctl-", "containerd"}, {"docker-", "docker"}, {"crio-", "cri-o"}, {"libpod-", "podman"}, {"runc-", ""},
}

// parsePath finds the container of a control group by the path of it. Of containers
// in containers it is the innermost; the group of a process that a container moved
// into a group of its own belongs to the container.
func parsePath(path string) (c Container, ok bool) {
	elements := strings.Split(strings.Trim(path, "/"), "/")
	for i := len(elements) - 1; i >= 0; i-- {
		id, runtime := idOf(elements[i])
		if id == "" {
			continue
		}
		c.ID, c.Runtime, c.Path = id, runtime, "/"+strings.Join(elements[:i+1], "/")
		if i > 0 && c.Runtime == "" && elements[i-1] == "docker" {
			c.Runtime = "docker"
		}
		for _, above := range elements[:i] {
			if uid := podUID(above); uid != "" {
				c.PodUID = uid
			}
		}
		return c, true
	}
	return Container{}, false
}

// idOf reads an id of 64 digits, as all managers of containers give them, out of the
// name of a control group.
func idOf(element string) (id, runtime string) {
	if isHex(element, 64) {
		return element, ""
	}
	name, scope := strings.CutSuffix(element, ".scope")
	for _, s := range scopes {
		if id, ok := strings.CutPrefix(name, s.prefix); ok && isHex(id, 64) && (scope || s.runtime == "podman") {
			return id, s.runtime
		}
	}
	return "", ""
}

// plainID is the id of a container by the name of its control group, when something
// else says that it is one: a runtime without a manager takes any id.
func plainID(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if scope, ok := strings.CutSuffix(name, ".scope"); ok {
		return strings.TrimPrefix(scope, "runc-")
	}
	return name
}

func podUID(element string) string {
	element = strings.TrimSuffix(element, ".slice")
	if i := strings.LastIndex(element, "pod"); i == 0 || i > 0 && element[i-1] == '-' {
		uid := strings.ReplaceAll(element[i+len("pod"):], "_", "-")
		if len(uid) == 36 && isHex(strings.ReplaceAll(uid, "-", ""), 32) || isHex(uid, 32) {
			return uid // a static pod has a hash for it
		}
	}
	return ""
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}
