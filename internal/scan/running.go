package scan

import (
	"cmp"
	"slices"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/store"
)

// Running is what runs in a cluster, by what its pods say.
type Running struct {
	Runs []store.Run
	// Silent are containers that do not say which image they have, as when it could
	// not be pulled. They have no digest.
	Silent []store.Run
	Pods   int    // that are not at their end
	Gap    string // why there may be more, "" when all pods were read

	snapshot *model.Snapshot
}

var pods = model.GroupKind{Kind: "Pod"}

// FindRunning finds the images that run. A container that is started again and again
// runs; one that ended for good does not.
func FindRunning(s *model.Snapshot) *Running {
	f := runFinder{Running: Running{snapshot: s}, platforms: map[string]string{}, runs: map[store.Run]int{}, silent: map[store.Run]int{}}
	for node := range s.Kind(model.GroupKind{Kind: "Node"}) {
		info := node.Root.Dig("status", "nodeInfo")
		if system, machine := info.Get("operatingSystem").Str(), info.Get("architecture").Str(); system != "" && machine != "" {
			f.platforms[node.Key.Name] = system + "/" + machine
		}
	}
	for pod := range s.Kind(pods) {
		if !pod.Ended() {
			f.Pods++
			f.pod(pod, s.Controller(pod))
		}
	}
	if gap := s.Gap("", pods); gap != nil {
		f.Gap = gap.Reason
	}
	f.Runs, f.Silent = counts(f.runs), counts(f.silent)
	return &f.Running
}

// Ended says whether it is known that something that is not in Runs does not run: all
// pods of its namespace were read, and its containers say which image they have.
func (r *Running) Ended(run *store.Run) bool {
	return r.snapshot.Complete(run.Namespace, pods) && !slices.ContainsFunc(r.Silent, func(s store.Run) bool { return s.Workload == run.Workload && s.Container == run.Container })
}

type runFinder struct {
	Running
	platforms    map[string]string // of nodes
	runs, silent map[store.Run]int // how many containers
}

// counts gives runs with the number of their containers, in order.
func counts(runs map[store.Run]int) []store.Run {
	list := make([]store.Run, 0, len(runs))
	for r, n := range runs {
		r.Containers = n
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b store.Run) int {
		return cmp.Or(cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Container, b.Container), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Reference, b.Reference))
	})
	return list
}

func (f *runFinder) pod(pod, workload *model.Object) {
	spec, status := pod.Root.Get("spec"), pod.Root.Get("status")
	for _, kind := range []struct {
		list, status string
		again        bool // one that ended is started again
	}{
		{"containers", "containerStatuses", spec.Get("restartPolicy").Str() != "Never"}, {"initContainers", "initContainerStatuses", false}, {"ephemeralContainers", "ephemeralContainerStatuses", false},
	} {
		for i := range spec.Get(kind.list).Children() {
			c := spec.Get(kind.list).At(i)
			said := model.Named(status.Get(kind.status), c.Get("name").Str())
			if said.Dig("state", "terminated") != nil && !kind.again {
				continue
			}
			reference := c.Get("image").Str()
			r := store.Run{Namespace: pod.Key.Namespace, Workload: workload.Key.Kind + " " + workload.Key.Namespace + "/" + workload.Key.Name, Container: c.Get("name").Str(),
				Reference: cmp.Or(image.FullName(reference), reference), Digest: model.DigestOfImageID(said.Get("imageID").Str()), Platform: f.platforms[spec.Get("nodeName").Str()]}
			if r.Digest == "" {
				f.silent[r]++
			} else {
				f.runs[r]++
			}
		}
	}
}
