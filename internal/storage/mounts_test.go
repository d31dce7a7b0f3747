package storage

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// podGenerator writes random workloads as JSON values, right and wrong ones.
type podGenerator struct{ *rand.Rand }

func (g podGenerator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g podGenerator) object(i int) map[string]any {
	spec := map[string]any{}
	var volumes []any
	for range g.IntN(5) {
		volumes = append(volumes, g.volume())
	}
	if volumes != nil {
		spec["volumes"] = volumes
	}
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		var containers []any
		for range g.IntN(3) {
			containers = append(containers, g.container())
		}
		if containers != nil {
			spec[list] = containers
		}
	}
	if g.IntN(3) == 0 {
		spec["serviceAccountName"] = g.one("web", "batch")
	}
	kind := g.one("Pod", "Deployment", "StatefulSet", "CronJob")
	name := map[string]any{"name": fmt.Sprintf("w%d", i), "namespace": g.one("shop", "data")}
	template := map[string]any{"spec": spec}
	switch kind {
	case "Pod":
		return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": name, "spec": spec}
	case "CronJob":
		job := map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": template}}}
		return map[string]any{"apiVersion": "batch/v1", "kind": kind, "metadata": name, "spec": job}
	}
	of := map[string]any{"template": template}
	if kind == "StatefulSet" && g.IntN(2) == 0 {
		of["volumeClaimTemplates"] = []any{map[string]any{"metadata": map[string]any{"name": g.one("a", "b")}, "spec": map[string]any{}}}
	}
	return map[string]any{"apiVersion": "apps/v1", "kind": kind, "metadata": name, "spec": of}
}

func (g podGenerator) volume() map[string]any {
	v := map[string]any{"name": g.one("a", "b", "c", "d")}
	source, value := g.one("emptyDir", "hostPath", "persistentVolumeClaim", "secret", "nfs", ""), map[string]any{}
	switch source {
	case "hostPath":
		value["path"] = g.one("/srv", "/srv/", "/var/run/docker.sock", "/")
	case "persistentVolumeClaim":
		value["claimName"] = g.one("one", "two")
		if g.IntN(2) == 0 {
			value["readOnly"] = true
		}
	case "secret":
		value["secretName"] = "s"
	case "nfs":
		value["server"], value["path"] = g.one("f", "g"), "/e"
	case "":
		return v
	}
	v[source] = value
	return v
}

func (g podGenerator) container() map[string]any {
	c := map[string]any{"name": g.one("x1", "x2"), "image": "i"}
	var mounts []any
	for range g.IntN(4) {
		m := map[string]any{"name": g.one("a", "b", "c", "d", "e"), "mountPath": fmt.Sprintf("/m%d", g.IntN(1000))}
		if g.IntN(2) == 0 {
			m["readOnly"] = true
		}
		if g.IntN(3) == 0 {
			m["subPath"] = g.one("p", "q/r")
		}
		mounts = append(mounts, m)
	}
	if mounts != nil {
		c["volumeMounts"] = mounts
	}
	if g.IntN(4) == 0 {
		c["volumeDevices"] = []any{map[string]any{"name": g.one("a", "e"), "devicePath": "/dev/xvda"}}
	}
	return c
}

// mountsOf walks an object as it is written, knowing nothing of this package. It
// writes each mount with where it stands and the name of what it mounts.
func mountsOf(o map[string]any) []string {
	metadata := o["metadata"].(map[string]any)
	spec := o["spec"].(map[string]any)
	at := "spec"
	for _, key := range []string{"jobTemplate", "template"} {
		if next, ok := spec[key].(map[string]any); ok {
			spec, at = next["spec"].(map[string]any), at+"."+key+".spec"
		}
	}
	var found []string
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		containers, _ := spec[list].([]any)
		for i, c := range containers {
			for _, key := range []string{"volumeMounts", "volumeDevices"} {
				mounts, _ := c.(map[string]any)[key].([]any)
				for j, m := range mounts {
					found = append(found, fmt.Sprintf("%s/%s %s.%s[%d].%s[%d] %s", metadata["namespace"], metadata["name"], at, list, i, key, j, m.(map[string]any)["name"]))
				}
			}
		}
	}
	return found
}

// Every mount is reported exactly once, under the volume of its name, and the
// order of objects does not matter.
func TestEveryMountOnce(t *testing.T) {
	g := podGenerator{rand.New(rand.NewPCG(1, 2))}
	total := 0
	for round := range 400 {
		var all []*model.Object
		var want []string
		for i := range 1 + g.IntN(5) {
			value := g.object(i)
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, objects(t, string(text))...)
			want = append(want, mountsOf(value)...)
		}
		first := New(model.NewSnapshot(all, round%2 == 0))
		got := reported(first)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: reported\n%q\nwritten\n%q", round, got, want)
		}
		total += len(want)
		g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if again := New(model.NewSnapshot(all, round%2 == 0)); all2text(first) != all2text(again) {
			t.Fatalf("round %d: the order of objects matters:\n%s\n%s", round, all2text(first), all2text(again))
		}
	}
	if total < 2000 {
		t.Errorf("only %d mounts were looked at", total)
	}
}

func reported(v *View) []string {
	var got []string
	for _, volume := range v.Volumes {
		for _, u := range volume.Users {
			for _, m := range u.Mounts {
				key := u.Workload.Key
				got = append(got, fmt.Sprintf("%s/%s %s %s", key.Namespace, key.Name, m.Path, u.Volume))
			}
		}
	}
	slices.Sort(got)
	return got
}

func all2text(v *View) string {
	s := ""
	for _, volume := range v.Volumes {
		s += fmt.Sprintf("%v %s %q\n", volume.ID, text(volume), volume.Unknowns)
	}
	for _, d := range v.Data {
		s += fmt.Sprintln(d.Name, d.Namespaces, len(d.Volumes))
	}
	return s
}
