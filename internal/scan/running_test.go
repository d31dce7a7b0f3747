package scan

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/store"
	"ullage.dev/ullage/internal/tree"
)

func liveObject(t *testing.T, text string) *model.Object {
	t.Helper()
	root, err := tree.FromJSON([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := model.NewLiveObject(root, model.Live{Cluster: "dev", Interner: tree.NewInterner()})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestFindRunning reads what pods in all states say of their containers.
func TestFindRunning(t *testing.T) {
	const owner = `"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": true}]`
	pod := func(name, more, spec, status string) string {
		return `{"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": "` + name + `", "name": "` + name + `", "namespace": "shop"` + more + `}, "spec": {"nodeName": "a", "containers": [{"name": "web", "image": "web:1"}]` + spec + `}, "status": ` + status + `}`
	}
	digest := func(c string) string { return strings.Repeat(c, 64) }
	says := func(id, state string) string {
		return `{"phase": "Running", "containerStatuses": [{"name": "web", "imageID": "` + id + `", "state": ` + state + `}]}`
	}
	var objects []*model.Object
	for _, text := range []string{
		`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "arm64"}}}`,
		`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "1"}, "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}`,
		`{"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "shop", "uid": "2", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1", "controller": true}]},
			"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}`,
		pod("a", ", "+owner, "", says("docker.io/library/web@sha256:"+digest("a"), `{"running": {}}`)),
		pod("b", ", "+owner, "", says("docker-pullable://web@sha256:"+digest("a"), `{"waiting": {}}`)), // it fell over, and is started again
		pod("ended", "", "", `{"phase": "Succeeded", "containerStatuses": [{"name": "web", "imageID": "`+digest("b")+`"}]}`),
		pod("again", "", "", says(digest("c"), `{"terminated": {}}`)),
		pod("never", "", `, "restartPolicy": "Never"`, says(digest("d"), `{"terminated": {}}`)),
		pod("unpulled", "", "", says("", `{"waiting": {}}`)),
		pod("odd", "", "", says("sha256:latest", `{"running": {}}`)),
		pod("init", "", `, "initContainers": [{"name": "once", "image": "i"}, {"name": "side", "image": "s", "restartPolicy": "Always"}]`,
			`{"phase": "Running", "containerStatuses": [{"name": "web", "imageID": "docker://sha256:`+digest("e")+`", "state": {"running": {}}}], "initContainerStatuses": [
				{"name": "once", "imageID": "sha256:`+digest("f")+`", "state": {"terminated": {}}}, {"name": "side", "imageID": "sha256:`+digest("0")+`", "state": {"running": {}}}]}`),
	} {
		objects = append(objects, liveObject(t, text))
	}
	r := FindRunning(model.NewSnapshot(objects, true))
	var got []string
	for _, x := range r.Runs {
		if x.Platform != "linux/arm64" || x.Namespace != "shop" {
			t.Errorf("%+v", x)
		}
		got = append(got, strings.Join([]string{x.Workload, x.Container, x.Digest[7:9], x.Reference}, " ")+strings.Repeat("+", x.Containers))
	}
	for _, x := range r.Silent {
		got = append(got, "silent "+x.Workload)
	}
	want := []string{"Deployment shop/web web aa index.docker.io/library/web:1++", "Pod shop/again web cc index.docker.io/library/web:1+", "Pod shop/init side 00 index.docker.io/library/s:latest+",
		"Pod shop/init web ee index.docker.io/library/web:1+", "silent Pod shop/odd", "silent Pod shop/unpulled"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Gap != "" || r.Pods != 7 {
		t.Errorf("%q, %d pods", r.Gap, r.Pods)
	}
	gapped := FindRunning(model.NewSnapshot(objects, true, model.Gap{Kind: pods, Except: []string{"shop"}, Reason: "pods may not be listed"}))
	for _, x := range []struct {
		r    *Running
		run  store.Run
		want bool
	}{
		{r, store.Run{Namespace: "shop", Workload: "Deployment shop/web", Container: "web"}, true},
		{r, store.Run{Namespace: "shop", Workload: "Pod shop/unpulled", Container: "web"}, false},
		{gapped, store.Run{Namespace: "shop", Workload: "Deployment shop/web", Container: "web"}, true},
		{gapped, store.Run{Namespace: "other", Workload: "Deployment other/web", Container: "web"}, false},
	} {
		if got := x.r.Ended(&x.run); got != x.want {
			t.Errorf("%+v has ended: %v", x.run, got)
		}
	}
	if gapped.Gap == "" {
		t.Error("that pods may not be listed is not told")
	}
}
