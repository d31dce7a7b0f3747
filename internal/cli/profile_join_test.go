package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

// joinBench is a cluster that is rolled out, and what its nodes record of it.
type joinBench struct {
	t   *testing.T
	dir string
}

const joinStart = behavior.Moment(1_767_225_600) // 2026-01-01

const joinTemplate = `"spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}`

// saved writes the cluster as it is while pods of a ReplicaSet run, from a day on.
func (b *joinBench) saved(replicaSet, digest string, day int, pods ...string) string {
	meta := func(name, more string) string {
		return fmt.Sprintf(`"metadata": {"name": %q, "namespace": "shop", "uid": "uid-%s", "creationTimestamp": %q%s}`, name, name, (joinStart + behavior.Moment(day*86400)).Time().Format("2006-01-02T15:04:05Z"), more)
	}
	owner := func(kind, name string) string {
		return fmt.Sprintf(`, "ownerReferences": [{"apiVersion": "apps/v1", "kind": %q, "name": %q, "uid": "uid-%s", "controller": true}]`, kind, name, name)
	}
	objects := []string{
		`{"apiVersion": "apps/v1", "kind": "Deployment", ` + meta("web", "") + `, ` + joinTemplate + `}`,
		`{"apiVersion": "apps/v1", "kind": "ReplicaSet", ` + meta(replicaSet, owner("Deployment", "web")) + `, ` + joinTemplate + `}`,
	}
	for _, pod := range pods {
		objects = append(objects, `{"apiVersion": "v1", "kind": "Pod", `+meta(pod, owner("ReplicaSet", replicaSet))+
			`, "spec": {"containers": [{"name": "web", "image": "web:1"}]}, "status": {"phase": "Running", "containerStatuses": [{"name": "web", "imageID": "r.example/web@sha256:`+strings.Repeat(digest, 64)+`", "state": {"running": {}}}]}}`)
	}
	return savedCluster(b.t, "v1.34.0", nil, objects...)
}

// recorded writes what a node saw of a pod on some days.
func (b *joinBench) recorded(pod string, from, to int, programs ...string) string {
	r := behavior.New(behavior.Subject{Namespace: "shop", Kind: behavior.KindPod, Name: pod, Container: "web"})
	for day := from; day < to; day++ {
		for _, path := range programs {
			o := behavior.Observation{Kind: behavior.Execute, Origin: behavior.Entrypoint, Program: behavior.File{Path: path, Layer: behavior.InImage}, Parent: "/app/web"}
			r.Observe(o.Fact(), behavior.SeenAt(joinStart+behavior.Moment(day*86400+3600), "shop/"+pod, ""))
		}
	}
	r.Coverage.Watch(behavior.Interval{Replica: "shop/" + pod, Session: "s", From: joinStart + behavior.Moment(from*86400), To: joinStart + behavior.Moment(to*86400) - 1, Whole: true})
	path := filepath.Join(b.dir, pod+".json")
	file, err := os.Create(path)
	if err == nil {
		err = behavior.Encode(file, []*behavior.Behavior{r})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return path
}

// TestProfileJoins imports what was recorded of pods with the cluster of its time: a
// rollout that adds a program, a rollback, and more replicas are one workload, with one
// difference.
func TestProfileJoins(t *testing.T) {
	b := &joinBench{t, t.TempDir()}
	dir := filepath.Join(b.dir, "store")
	in := func(args ...string) outcome {
		return ullage(t, append([]string{"profile"}, append(args, "--store", dir)...)...)
	}
	const first, second = "web-7d4b9c8f6d", "web-5c6f7d8b9c"
	one := b.saved(first, "1", 0, first+"-aaaaa")
	says(t, in("import", b.recorded(first+"-aaaaa", 0, 9, "/app/web", "/app/job"), "--from", one), exitClean, "added 2 facts")
	says(t, in("import", b.recorded(second+"-bbbbb", 9, 11, "/app/web", "/app/job", "/app/convert"), "--from", b.saved(second, "2", 9, second+"-bbbbb")), exitClean)

	// These two are imported as they are, and joined later, one of them by its name alone.
	late := b.recorded(first+"-ccccc", 11, 13, "/app/web", "/app/job")
	gone := b.recorded(first+"-ddddd", 11, 12, "/app/web")
	says(t, in("import", late, gone), exitClean)
	says(t, in("list"), exitClean, "Pod/shop/"+first+"-ccccc", "of its workload")
	back := b.saved(first, "1", 11, first+"-ccccc")
	says(t, in("list", "--from", back), exitClean, "not joined with its workload: shop/"+first+"-ddddd: the snapshot does not hold it", "2 deeds expected, 1 new")
	says(t, in("import", "--from", back), exitClean, "joined 1 recording of the store", "not joined with its workload: shop/"+first+"-ddddd")
	says(t, in("import", "--from", back, "--by-name"), exitClean, "joined 1 recording of the store", "by its name alone, shop/"+first+"-ddddd is taken for one of Deployment/shop/web")
	says(t, in("import", "--from", back, "--by-name"), exitClean)

	listed := in("list")
	says(t, listed, exitClean, "Deployment/shop/web  container web  cluster dev", "13 of 13 days, 4 replicas, nothing lost; 2 images", "2 deeds expected, 1 new")
	if strings.Contains(listed.stdout, "Pod/") {
		t.Errorf("pods are left:\n%s", listed.stdout)
	}
	differs := in("diff", "web", "--from", back)
	says(t, differs, exitFindings, "4 replicas in the course of time for 2", "new /app/convert runs, begun by /app/web", "it came with image sha256:222222222222", "image             sha256:111111111111, watched from 2026-01-01 to 2026-01-13, the latest")
	if n := strings.Count(differs.stdout, "\n  new /"); n != 1 {
		t.Errorf("%d differences:\n%s", n, differs.stdout)
	}

	// All of it without the store, and what is refused.
	both := ullage(t, "profile", "list", "--from", late+","+gone+","+back, "--by-name")
	says(t, both, exitClean, "Deployment/shop/web", "2 replicas")
	says(t, in("import", back), exitUsage, "name it with --from")
	says(t, in("import", "--from", late), exitUsage, "is no cluster that --save wrote")
	says(t, in("list", "--from", back+","+one), exitUsage, "are both clusters")
	says(t, in("list", "--by-name"), exitUsage, "--by-name goes with")
	says(t, in("list", "--from", back, "--cluster"), exitUsage, "exclude each other")
}
