package storage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// share is a claim with its own PersistentVolume, and who mounts it.
type share struct {
	namespace, handle, account string
	mode                       int // 0 is not mounted, 1 read, 2 written
}

func (s share) yaml(i int) string {
	text := fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c%d, namespace: %s}\nspec: {accessModes: [ReadWriteMany], storageClassName: '', volumeName: pv%[1]d}\n", i, s.namespace) +
		fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv%d}\nspec: {csi: {driver: efs.csi.aws.com, volumeHandle: %s}, claimRef: {namespace: %s, name: c%[1]d}}\n", i, s.handle, s.namespace)
	if s.mode == 0 {
		return text
	}
	return text + strings.Replace(pod(fmt.Sprintf("w%d", i), s.account, fmt.Sprintf("{name: v, mountPath: /m, readOnly: %v}", s.mode == 1),
		fmt.Sprintf("{name: v, persistentVolumeClaim: {claimName: c%d}}", i)), "metadata: {", "metadata: {namespace: "+s.namespace+", ", 1)
}

// Volumes with one handle behind them are one piece of data, of all namespaces that
// have one of them. What is wanted is counted from the shares, handle by handle.
func TestSameData(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	seen := map[int]int{}
	for round := range 300 {
		var shares []share
		text := ""
		for i := range 1 + r.IntN(6) {
			shares = append(shares, share{one("shop", "data"), one("fs-1", "fs-2", "fs-3"), one("a", "b"), r.IntN(3)})
			text += shares[i].yaml(i)
		}
		var want, got []string
		for _, handle := range []string{"fs-1", "fs-2", "fs-3"} {
			volumes, namespaces := 0, map[string]bool{}
			for _, s := range shares {
				if s.handle == handle {
					volumes++
					namespaces[s.namespace] = true
				}
			}
			if volumes > 1 {
				want = append(want, fmt.Sprintf("efs.csi.aws.com %s %d %v", handle, volumes, slices.Sorted(maps.Keys(namespaces))))
				seen[len(namespaces)]++
			}
		}
		v := view(t, true, text)
		for _, d := range v.Data {
			got = append(got, fmt.Sprintf("%s %d %v", d.Name, len(d.Volumes), d.Namespaces))
			for _, of := range v.Volumes {
				if of.Data != d && slices.Contains(d.Volumes, of.ID) {
					t.Fatalf("round %d: %v does not point to %s", round, of.ID, d.Name)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: %q, want %q:\n%s", round, got, want, text)
		}
	}
	if seen[1] < 50 || seen[2] < 50 {
		t.Errorf("data of one and of two namespaces: %v", seen)
	}
}

// manyShares are many volumes with the same data, each with a user in a namespace of
// its own, and as many users of one path of the node.
func manyShares(t testing.TB, n int) *model.Snapshot {
	t.Helper()
	var text strings.Builder
	for i := range n {
		namespace := fmt.Sprintf("n%d", i)
		text.WriteString(share{namespace, "fs-1", "a", 2}.yaml(i))
		text.WriteString(strings.Replace(pod(fmt.Sprintf("h%d", i), "a", "{name: v, mountPath: /m}", "{name: v, hostPath: {path: /srv/x}}"), "metadata: {", "metadata: {namespace: "+namespace+", ", 1))
	}
	return model.NewSnapshot(objects(t, text.String()), true)
}

// Four times the volumes with the same data take about four times the memory.
func TestSameDataIsLinear(t *testing.T) {
	allocated := func(n int) float64 {
		s := manyShares(t, n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v := New(s)
		runtime.ReadMemStats(&after)
		if len(v.Data) != 1 || len(v.Data[0].Volumes) != n || len(v.Volumes) != n+1 {
			t.Fatalf("%d shares: %d data, %d volumes", n, len(v.Data), len(v.Volumes))
		}
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	if few, many := allocated(250), allocated(1000); many > 6*few {
		t.Errorf("250 volumes take %.0f bytes, 1000 take %.0f", few, many)
	}
}

func BenchmarkSameData(b *testing.B) {
	s := manyShares(b, 3000)
	for b.Loop() {
		New(s)
	}
}
