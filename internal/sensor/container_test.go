package sensor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var (
	hexID = strings.Repeat("0123456789abcdef", 4)
	inner = strings.Repeat("fedcba9876543210", 4)
)

func TestPathsOfContainers(t *testing.T) {
	const uid = "01234567-89ab-cdef-0123-456789abcdef"
	slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice"
	for path, want := range map[string]Container{
		"/kubepods/burstable/pod" + uid + "/" + hexID:                     {ID: hexID, PodUID: uid},
		"/kubepods/pod" + uid + "/" + hexID:                               {ID: hexID, PodUID: uid},
		slice + "/cri-containerd-" + hexID + ".scope":                     {ID: hexID, PodUID: uid, Runtime: "containerd"},
		slice + "/crio-" + hexID + ".scope":                               {ID: hexID, PodUID: uid, Runtime: "cri-o"},
		slice + "/crio-" + hexID + ".scope/container":                     {ID: hexID, PodUID: uid, Runtime: "cri-o", Path: slice + "/crio-" + hexID + ".scope"},
		"/kubepods.slice/kubepods-pod" + inner[:32] + ".slice/" + hexID:   {ID: hexID, PodUID: inner[:32]},
		"/docker/" + hexID:                                                {ID: hexID, Runtime: "docker"},
		"/docker/" + hexID + "/kubepods/pod" + uid + "/" + inner:          {ID: inner, PodUID: uid},
		"/system.slice/docker-" + hexID + ".scope":                        {ID: hexID, Runtime: "docker"},
		"/machine.slice/libpod-" + hexID + ".scope/container":             {ID: hexID, Runtime: "podman", Path: "/machine.slice/libpod-" + hexID + ".scope"},
		"/libpod_parent/libpod-" + hexID:                                  {ID: hexID, Runtime: "podman"},
		"/system.slice/runc-" + hexID + ".scope":                          {ID: hexID},
		"/user.slice/user-0.slice/session-1.scope/nested/" + hexID + "/x": {ID: hexID, Path: "/user.slice/user-0.slice/session-1.scope/nested/" + hexID},
	} {
		if want.Path == "" {
			want.Path = path
		}
		if got, ok := parsePath(path); !ok || got != want {
			t.Errorf("%s is %+v, %v", path, got, ok)
		}
	}
	for _, path := range []string{
		"", "/", "/init.scope", "/system.slice/ssh.service", "/machine.slice/libpod-conmon-" + hexID + ".scope", "/crio-conmon-" + hexID,
		"/kubepods/burstable/pod" + uid, "/docker/" + hexID[1:], "/docker/" + strings.ToUpper(hexID), "/x-" + hexID + ".scope", slice,
	} {
		if got, ok := parsePath(path); ok {
			t.Errorf("%q is %+v, and holds none", path, got)
		}
	}
}

func TestWhatRuntimesSay(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string // below the root
		want  Container
		label string
	}{
		"containerd's bundle": {
			map[string]string{"config.json": `{"annotations":{"io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.container-name":"web","io.kubernetes.cri.image-name":"r.example/web:1"}}`},
			Container{Name: "web", Pod: "web-0", Namespace: "shop", Image: "r.example/web:1"}, "shop/web-0/web",
		},
		"a sandbox": {
			map[string]string{"config.json": `{"annotations":{"io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.container-type":"sandbox"}}`},
			Container{Name: "(sandbox)", Pod: "web-0", Namespace: "shop"}, "shop/web-0/(sandbox)",
		},
		"runc's state": {
			map[string]string{"state.json": `{"config":{"labels":["a=b","bundle=BUNDLE"]}}`, "bundle/config.json": `{"annotations":{"io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.container.name":"db","io.kubernetes.pod.name":"db-0","io.kubernetes.pod.namespace":"shop"}}`},
			Container{Name: "db", Pod: "db-0", Namespace: "shop"}, "shop/db-0/db",
		},
		"crun's status": {
			map[string]string{"status": `{"bundle":"BUNDLE"}`, "bundle/config.json": `{"annotations":{"nerdctl/name":"cache"}}`},
			Container{Name: "cache"}, "cache",
		},
		"CRI-O's bundle": {
			map[string]string{"userdata/config.json": `{"annotations":{"io.kubernetes.container.name":"db","io.kubernetes.pod.name":"db-0","io.kubernetes.pod.namespace":"shop"}}`},
			Container{Name: "db", Pod: "db-0", Namespace: "shop"}, "shop/db-0/db",
		},
		"no bundle any more": {map[string]string{"state.json": `{"config":{"labels":["bundle=BUNDLE"]}}`}, Container{}, hexID[:12]},
		"not JSON":           {map[string]string{"state.json": `{"config":`, "config.json": `[`}, Container{}, hexID[:12]},
		"nothing":            {nil, Container{}, hexID[:12]},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, hexID)
			for file, text := range c.files {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "BUNDLE", filepath.Join(dir, "bundle"))), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := Container{ID: hexID}
			got.describe([]string{root})
			c.want.ID = hexID
			if got != c.want || got.Label() != c.label {
				t.Errorf("%+v, shown as %s", got, got.Label())
			}
		})
	}
}

func TestDockerContainer(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, hexID), 0o755); err != nil {
		t.Fatal(err)
	}
	text := `{"Name":"/eager_tester","Config":{"Image":"web:1","Env":["PASSWORD=not-read"]}}`
	if err := os.WriteFile(filepath.Join(dir, hexID, "config.v2.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Container{ID: hexID}
	c.describeDocker(dir)
	if want := (Container{ID: hexID, Name: "eager_tester", Image: "web:1", Runtime: "docker"}); c != want {
		t.Errorf("%+v", c)
	}
}
