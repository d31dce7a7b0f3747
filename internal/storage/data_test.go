package storage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// piece is a volume somebody has: a path of a medium, written in one of its ways.
type piece struct {
	medium, path, namespace string
}

// write writes the objects of a piece and returns the ID of its volume.
func (p piece) write(r *rand.Rand, i int) (string, ID) {
	name := fmt.Sprintf("w%d", i)
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	mounting := func(volume string) string {
		return strings.Replace(pod(name, "a", "{name: v, mountPath: /m}", volume), "metadata: {", "metadata: {namespace: "+p.namespace+", ", 1)
	}
	bound := func(source string) (string, ID) {
		return fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c%d, namespace: %s}\nspec: {volumeName: pv%[1]d}\n", i, p.namespace) +
			fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv%d}\nspec: {%s, claimRef: {namespace: %s, name: c%[1]d}}\n", i, source, p.namespace), ID{Kind: KindClaim, Namespace: p.namespace, Name: fmt.Sprintf("c%d", i)}
	}
	claimed := func(source string) (string, ID) {
		text, id := bound(source)
		if r.IntN(2) == 0 {
			text += mounting(fmt.Sprintf("{name: v, persistentVolumeClaim: {claimName: c%d}}", i))
		}
		return text, id
	}
	switch {
	case p.medium == "node" && r.IntN(2) == 0:
		return claimed("hostPath: {path: " + p.path + "}")
	case p.medium == "node":
		return mounting("{name: v, hostPath: {path: " + p.path + "/}}"), ID{Kind: KindHostPath, Name: p.path}
	case p.medium == "smb":
		share, dir, _ := strings.Cut(p.path[1:], "/")
		return claimed(fmt.Sprintf(`csi: {driver: smb.csi.k8s.io, volumeHandle: h%d, volumeAttributes: {Source: '%s', subDir: '%s'}}`, i, one(`//smb/`, `\\smb\`)+share, one(dir, dir+"/")))
	case p.medium == "efs":
		return claimed("csi: {driver: efs.csi.aws.com, volumeHandle: 'fs-1:" + p.path + "'}")
	}
	switch r.IntN(3) {
	case 0:
		return claimed("nfs: {server: " + p.medium + ", path: " + p.path + "}")
	case 1:
		return claimed(fmt.Sprintf("csi: {driver: nfs.csi.k8s.io, volumeHandle: h%d, volumeAttributes: {server: %s, share: %s, subdir: %s}}", i, p.medium, path.Dir(p.path), path.Base(p.path)))
	}
	return mounting("{name: v, nfs: {server: " + p.medium + ", path: " + p.path + "}}"), ID{Kind: "nfs", Name: p.medium + ":" + p.path}
}

// meets reports by the paths alone whether two pieces have files in common.
func (p piece) meets(other piece) bool {
	below := func(a, b string) bool { return strings.HasPrefix(a+"/", strings.TrimSuffix(b, "/")+"/") }
	return p.medium == other.medium && (below(p.path, other.path) || below(other.path, p.path))
}

func meeting(v *Volume, yield func(ID) bool) {
	if v.Data == nil {
		yield(v.ID)
		return
	}
	v.Data.meeting(yield)
}

// sharersOf returns by the view who has files of a volume, and by what.
func sharersOf(v *View, of *Volume) map[string]bool {
	found := map[string]bool{}
	meeting(of, func(id ID) bool {
		i := slices.IndexFunc(v.Volumes, func(other *Volume) bool { return other.ID == id })
		for _, u := range v.Volumes[i].Users {
			found[fmt.Sprint(id, u.Workload.Key, u.Account)] = true
		}
		return true
	})
	return found
}

func sharersIn(s *Shares, of ID) map[string]bool {
	found := map[string]bool{}
	for id, user := range s.Of(of) {
		found[fmt.Sprint(id, user.Workload.Key, user.Account)] = true
	}
	return found
}

// Volumes meet when one has files of the other, and in a volume meet the namespaces
// of all that have files of it.
func TestMeeting(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	nested, apart := 0, 0
	for round := range 800 {
		text := ""
		pieces := map[ID][]piece{} // a volume of pods has as many as mount it
		for i := range 2 + r.IntN(7) {
			p := piece{one("node", "f", "g", "efs", "smb"), one("/srv", "/data") + one("", "/x"), one("a", "b", "c", "d")}
			for r.IntN(2) == 0 {
				p.path += one("/x", "/z", "/xz", "-x")
			}
			objects, id := p.write(r, i)
			text += objects
			pieces[id] = append(pieces[id], p)
		}
		v := view(t, true, text)
		shares := ReadShares(model.NewSnapshot(objects(t, text), true))
		for _, volume := range v.Volumes {
			own := pieces[volume.ID]
			var want, namespaces, got []string
			for id, others := range pieces {
				if !own[0].meets(others[0]) {
					apart++
					continue
				}
				if own[0].path != others[0].path {
					nested++
				}
				want = append(want, fmt.Sprint(id))
				for _, p := range others {
					namespaces = append(namespaces, p.namespace)
				}
			}
			meeting(volume, func(other ID) bool {
				got = append(got, fmt.Sprint(other))
				return true
			})
			slices.Sort(want)
			slices.Sort(got)
			slices.Sort(namespaces)
			if !slices.Equal(got, want) {
				t.Fatalf("round %d: %v meets %q, want %q:\n%s", round, volume.ID, got, want, text)
			}
			if want, got := sharersOf(v, volume), sharersIn(shares, volume.ID); !maps.Equal(got, want) {
				t.Fatalf("round %d: %v is shared by %v, want %v:\n%s", round, volume.ID, got, want, text)
			}
			if want := slices.Compact(namespaces); !slices.Equal(volume.Namespaces(), want) {
				t.Fatalf("round %d: %v is of the namespaces %q, want %q:\n%s", round, volume.ID, volume.Namespaces(), want, text)
			}
		}
	}
	if nested < 500 || apart < 500 {
		t.Errorf("%d pairs are nested, %d apart", nested, apart)
	}
}

// What gives the node, or is of another kind, is around nothing.
func TestMeetingNot(t *testing.T) {
	text := ""
	for i, at := range []string{"/", "/var", "/var/lib/app", "/etc/app", "/etc/app/keys", "/opt", "/opt/app"} {
		text += pod(fmt.Sprintf("w%d", i), "a", "{name: v, mountPath: /m}", "{name: v, hostPath: {path: "+at+"}}")
	}
	for i, handle := range []string{"fs-1::fsap-1", "fs-1::fsap-2", "fs-2"} {
		text += share{"shop", handle, "a", 0}.yaml(i)
	}
	met := map[string]string{}
	for _, v := range view(t, true, text).Volumes {
		if v.Data != nil {
			met[v.Name] = v.Data.Name
		}
	}
	if len(met) > 0 {
		t.Errorf("these meet others: %v", slices.Sorted(maps.Keys(met)))
	}
}
