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

func TestSharing(t *testing.T) {
	claim := func(name, account, mount string) string {
		return pod(name, account, mount, "{name: v, persistentVolumeClaim: {claimName: c}}")
	}
	const rw, ro = "{name: v, mountPath: /m}", "{name: v, mountPath: /m, readOnly: true}"
	elsewhere := func(s string) string {
		return strings.Replace(s, "metadata: {name: ", "metadata: {namespace: other, name: ", 1)
	}
	host := func(name, account, mount, at string) string {
		return pod(name, account, mount, "{name: v, hostPath: {path: "+at+"}}")
	}
	for _, c := range []struct {
		what, text string
		kind       Kind
		want       string
	}{
		{"one", claim("a", "one", rw), KindClaim, ""},
		{"workloads", claim("a", "one", rw) + claim("b", "one", ro), KindClaim, "low shared-across-workloads"},
		{"accounts", claim("a", "one", rw) + claim("b", "two", ro), KindClaim, "medium shared-across-accounts"},
		{"readers", claim("a", "one", ro) + claim("b", "two", ro), KindClaim, "low shared-across-accounts"},
		{"mounted by one", claim("a", "one", rw) + claim("b", "two", ""), KindClaim, "low unmounted"},
		{"claims of one name", claim("a", "one", rw) + elsewhere(claim("b", "two", rw)), KindClaim, ""},
		{"host path", host("a", "one", rw, "/srv/x") + elsewhere(host("b", "two", ro, "/srv//x/")), KindHostPath, "high shared-across-namespaces"},
		{"host path, readers", host("a", "one", ro, "/srv/x") + elsewhere(host("b", "two", ro, "/srv/x")), KindHostPath, ""},
		{"host paths", host("a", "one", rw, "/srv/x") + host("b", "two", rw, "/srv/y"), KindHostPath, ""},
		{"nfs", pod("a", "one", rw, "{name: v, nfs: {server: s, path: /e}}") + pod("b", "two", rw, "{name: v, nfs: {server: s, path: /e}}"), "nfs", "medium shared-across-accounts"},
		{"empty directories", pod("a", "one", rw, "{name: v, emptyDir: {}}") + pod("b", "two", rw, "{name: v, emptyDir: {}}"), "emptyDir", ""},
	} {
		for _, v := range view(t, false, c.text).Volumes {
			var got []string
			for _, f := range v.Findings {
				got = append(got, f.Severity.String()+" "+f.ID)
			}
			if v.Kind != c.kind || strings.Join(got, "; ") != c.want {
				t.Errorf("%s: %s %q, want %q", c.what, v.Kind, got, c.want)
			}
		}
	}
}

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

// Volumes with one handle behind them are one piece of data: who mounts one meets
// those who mount the others, and that is said once. What is wanted is counted
// from the shares, handle by handle.
func TestSameData(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	seen := map[string]bool{}
	for round := range 300 {
		var shares []share
		text := ""
		for i := range 1 + r.IntN(6) {
			shares = append(shares, share{one("shop", "data"), one("fs-1", "fs-2", "fs-3"), one("a", "b"), r.IntN(3)})
			text += shares[i].yaml(i)
		}
		var want, got []string
		for _, handle := range []string{"fs-1", "fs-2", "fs-3"} {
			volumes, workloads, severity := 0, 0, model.Low
			namespaces, claims, accounts := map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, s := range shares {
				if s.handle != handle {
					continue
				}
				volumes++
				claims[s.namespace] = true
				if s.mode > 0 {
					workloads++
					namespaces[s.namespace], accounts[s.namespace+"/"+s.account] = true, true
				}
				if s.mode == 2 {
					severity = model.Medium
				}
			}
			finding := ""
			switch {
			case len(namespaces) > 1:
				finding = (severity + 1).String() + " shared-across-namespaces"
			case len(accounts) > 1:
				finding = severity.String() + " shared-across-accounts"
			case workloads > 1:
				finding = "low shared-across-workloads"
			}
			if volumes > 1 {
				want = append(want, fmt.Sprintf("efs.csi.aws.com %s %d %v %s", handle, volumes, slices.Sorted(maps.Keys(claims)), finding))
				seen[finding] = true
			}
		}
		v := view(t, true, text)
		for _, d := range v.Data {
			finding := ""
			for _, f := range d.Findings {
				finding += f.Severity.String() + " " + f.ID
			}
			got = append(got, fmt.Sprintf("%s %d %v %s", d.Name, len(d.Volumes), d.Namespaces, finding))
			for _, of := range d.Volumes {
				if of.Data != d {
					t.Fatalf("round %d: %v does not point to %s", round, of.ID, d.Name)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: %q, want %q:\n%s", round, got, want, text)
		}
		for _, of := range v.Volumes {
			if of.Data != nil && strings.Contains(findingsOf(of), "shared") {
				t.Fatalf("round %d: %v repeats what its data have: %s", round, of.ID, findingsOf(of))
			}
		}
	}
	if len(seen) != 6 {
		t.Errorf("only these findings were wanted: %v", seen)
	}
}

func findingsOf(v *Volume) string {
	var got []string
	for _, f := range v.Findings {
		got = append(got, f.Severity.String()+" "+f.ID)
	}
	return strings.Join(got, "; ")
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
