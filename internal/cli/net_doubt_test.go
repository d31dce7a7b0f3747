package cli

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// Each row of the CSV forms carries why it may not hold, where the text ends with it;
// of what could not be listed, only that which bears on networks.
func TestCSVCarriesTheDoubt(t *testing.T) {
	gaps := []model.Gap{
		{Kind: model.GroupKind{Group: "networking.k8s.io", Kind: "NetworkPolicy"}, Reason: "forbidden"},
		{Kind: model.GroupKind{Kind: "Secret"}, Reason: "forbidden"},
		{Kind: model.GroupKind{Group: "coordination.k8s.io", Kind: "Lease"}, Reason: "forbidden"},
	}
	refused := []string{"--from", savedCluster(t, "v1.34.1", gaps, livePod("shop"), livePod("data"))}
	dir := write(t, map[string]string{"pods.yaml": sampleIn("shop") + "---\n" + sampleIn("data")})
	const files = "policies and workloads may live elsewhere"
	const listed = "policies and workloads may live elsewhere: what could not be listed keeps it so: NetworkPolicy"
	for _, command := range [][]string{{"list"}, {"list", "--exhaustive"}, {"blast", "shop"}} {
		for _, c := range []struct {
			args []string
			want string
		}{
			{refused, listed}, {[]string{"-f", dir}, files}, {[]string{"-f", dir, "--closed-world"}, ""},
			{[]string{"--from", savedCluster(t, "v1.34.1", gaps[1:], livePod("shop"), livePod("data"))}, ""},
		} {
			o := ullage(t, slices.Concat([]string{"net"}, command, []string{"-o", "csv"}, c.args)...)
			rows, err := csv.NewReader(strings.NewReader(o.stdout)).ReadAll()
			if err != nil || len(rows) < 3 || rows[0][len(rows[0])-1] != "why" {
				t.Fatalf("%v %v: %v\n%s%s", command, c.args, err, o.stdout, o.stderr)
			}
			for _, row := range rows[1:] {
				if got := row[len(row)-1]; got != c.want {
					t.Errorf("%v %v: %s: %q, want %q", command, c.args, row, got, c.want)
				}
			}
		}
	}
	for _, command := range [][]string{{"list"}, {"isolate", "shop"}, {"can", "shop", "data"}} {
		o := ullage(t, slices.Concat([]string{"net"}, command, refused)...)
		if text := strings.Join(strings.Fields(strings.ReplaceAll(o.stdout, "#", "")), " "); !strings.Contains(text, "What could not be listed keeps it so: NetworkPolicy") || strings.Contains(text, "Secret") {
			t.Errorf("%v:\n%s%s", command, o.stdout, o.stderr)
		}
	}
}

func sampleIn(namespace string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: " + namespace + "}\nspec: {containers: [{name: web, image: web}]}\n"
}
