package sensor

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// longestState bounds a file of a runtime's state that is read.
const longestState = 4 << 20

// runtimeRoots are where OCI runtimes keep a directory for each container, by the
// manager that tells them so.
var runtimeRoots = []string{
	"/run/runc", "/run/crun", "/run/containerd/runc/*", "/run/docker/runtime-runc/*",
	"/run/containerd/io.containerd.runtime.v2.task/*", "/run/k3s/containerd/io.containerd.runtime.v2.task/*",
	"/run/containers/storage/overlay-containers", "/var/lib/containers/storage/overlay-containers",
	"/run/user/*/runc", "/run/user/*/crun",
}

// describe adds what runtimes wrote about a container: its name, image and pod. What
// is not readable, or not there any more, stays unknown.
func (c *Container) describe(roots []string) {
	if c.ID == "" || strings.ContainsAny(c.ID, `/*?[\`) || c.ID == ".." {
		return
	}
	c.describeDocker("/var/lib/docker/containers")
	for _, root := range append(roots, runtimeRoots...) {
		dirs, _ := filepath.Glob(filepath.Join(root, c.ID))
		for _, dir := range dirs {
			if c.describeState(dir) == nil || c.describeState(filepath.Join(dir, "userdata")) == nil { // the second as CRI-O has it
				return
			}
		}
	}
}

// describeState reads the state of one container: runc's state.json, crun's status,
// or the bundle itself.
func (c *Container) describeState(dir string) error {
	var state struct {
		Bundle string `json:"bundle"`
		Config struct {
			Labels []string `json:"labels"` // key=value; one of them is the bundle
		} `json:"config"`
	}
	bundle := dir
	if err := errors.Join(readJSON(filepath.Join(dir, "state.json"), &state), readJSON(filepath.Join(dir, "status"), &state)); err == nil || state.Bundle != "" || len(state.Config.Labels) > 0 {
		bundle = state.Bundle
		for _, label := range state.Config.Labels {
			if b, ok := strings.CutPrefix(label, "bundle="); ok {
				bundle = b
			}
		}
	}
	if bundle == "" {
		return errors.New("no bundle")
	}
	var config struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := readJSON(filepath.Join(bundle, "config.json"), &config); err != nil {
		return err
	}
	c.annotate(config.Annotations)
	return nil
}

// annotate takes what managers write into a bundle.
func (c *Container) annotate(a map[string]string) {
	for _, f := range []struct {
		field *string
		keys  []string
	}{
		{&c.Pod, []string{"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"}},
		{&c.Namespace, []string{"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"}},
		{&c.PodUID, []string{"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"}},
		{&c.Name, []string{"io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"}},
		{&c.Image, []string{"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "org.opencontainers.image.ref.name"}},
	} {
		for _, key := range f.keys {
			if value := a[key]; value != "" && *f.field == "" {
				*f.field = value
			}
		}
	}
	if a["io.kubernetes.cri.container-type"] == "sandbox" || a["io.kubernetes.cri-o.ContainerType"] == "sandbox" {
		c.Name = "(sandbox)"
	}
}

func (c *Container) describeDocker(dir string) {
	var d struct {
		Name   string
		Config struct {
			Image  string
			Labels map[string]string
		}
	}
	if readJSON(filepath.Join(dir, c.ID, "config.v2.json"), &d) == nil {
		c.Name, c.Image, c.Runtime = strings.TrimPrefix(d.Name, "/"), d.Config.Image, "docker"
	}
}

func readJSON(file string, into any) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewDecoder(io.LimitReader(f, longestState)).Decode(into)
}
