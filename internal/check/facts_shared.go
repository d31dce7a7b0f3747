package check

import (
	"path"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

// sharer is a workload that has files of a volume, by this volume or another one.
type sharer struct {
	storage.Sharer
	by storage.ID
}

// podSharedVolumes lists who else has files of the volumes of some pods.
func (f *Facts) podSharedVolumes(o *model.Object, pod *model.PodTemplate) tree.Node {
	if o.Ended() {
		return list(nil)
	}
	self := f.snapshot.Controller(o)
	var found []tree.Node
	sharable := false
	volumes := pod.Spec.Get("volumes")
	for i := range volumes.Children() {
		n := volumes.At(i)
		id, ok := storage.SharedID(o, n)
		if !ok || id.Name == "" {
			continue
		}
		sharable = true
		claim, hostPath, export := "", "", ""
		switch id.Kind {
		case storage.KindClaim:
			claim = id.Name
		case storage.KindHostPath: // as it is written
			hostPath = path.Clean(n.Dig("hostPath", "path").Str())
		default:
			export = id.Name
		}
		others, doubt := f.sharers(id, self, pod.ServiceAccount())
		if doubt {
			why := unknown("pods whose controllers were not read mount it, and may be those of this workload")
			found = append(found, entries("volume", n.Get("name").Str(), "claim", why, "hostPath", why, "export", why, "with", why, "what", why, "sameServiceAccount", why, "sameNamespace", why))
		}
		for _, other := range others {
			here := other.Workload.Key.Namespace == o.Key.Namespace
			found = append(found, entries("volume", n.Get("name").Str(), "claim", claim, "hostPath", hostPath, "export", export,
				"with", other.Workload.Key.String(), "what", f.what(id, other.by), "sameServiceAccount", here && other.Account == pod.ServiceAccount(), "sameNamespace", here))
		}
	}
	if !sharable {
		return list(nil) // nobody else can mount what these pods have
	}
	return f.listOr(found, "no other workload here mounts these volumes, and one that does may live elsewhere", "", workloadKinds...)
}

// what says of those who share a volume what they have.
func (f *Facts) what(of, other storage.ID) string {
	own, theirs := filesOf(of), filesOf(other)
	if of == other {
		return own + " too"
	}
	switch f.shares().Relation(of, other) {
	case storage.Part:
		return theirs + ", a part of " + own
	case storage.More:
		return theirs + ", around " + own
	}
	return theirs + ", which is " + own + " too"
}

// filesOf names a volume for those who have it.
func filesOf(id storage.ID) string {
	switch id.Kind {
	case storage.KindClaim:
		return "the claim " + id.Name
	case storage.KindHostPath:
		return "the path " + id.Name + " of the node"
	}
	return id.Name
}

// maxSharers bounds how many others of a class are named for one volume: a host path that
// every workload mounts would else cost the square of their number.
const maxSharers = 3

// sharers returns other workloads that have files of a volume: those with another
// service account first, then those of other namespaces. doubt says that more may
// be others, or the same.
func (f *Facts) sharers(id storage.ID, self *model.Object, account string) (others []sharer, doubt bool) {
	for _, class := range []func(here, same bool) bool{
		func(here, same bool) bool { return here && !same },
		func(here, _ bool) bool { return !here },
		func(here, same bool) bool { return here && same },
	} {
		count := 0
		for by, user := range f.shares().Of(id) {
			if count == maxSharers {
				break
			}
			if !class(user.Workload.Key.Namespace == self.Key.Namespace, user.Account == account) || f.snapshot.Controller(user.Workload) == self {
				continue
			}
			may, one := f.mayBeOne(user.Workload, self)
			doubt = doubt || may && !one
			if !may {
				others = append(others, sharer{user, by})
				count++
			}
		}
	}
	return others, doubt && len(others) == 0
}
