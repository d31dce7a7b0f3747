package cluster

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteRole writes the ClusterRole that suffices to read a cluster, as YAML. It
// gives no other right.
func WriteRole(w io.Writer, name string) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# What "ullage check --cluster" reads: lists only, no watch, no write.
#
# Secrets: RBAC cannot limit a right to metadata, so "list" on secrets allows to
# read their values as well. ullage asks for the metadata alone, without data, and
# drops the annotation in which kubectl apply repeats them. Without the right,
# what hangs on secrets is unknown.
#
# Bind it to who reads:
#   kubectl create clusterrolebinding %[1]s --clusterrole=%[1]s --serviceaccount=NAMESPACE:NAME
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: %[1]s
rules:
`, name)
	for _, group := range slices.Sorted(maps.Keys(wanted)) {
		resources := slices.Sorted(slices.Values(wanted[group]))
		fmt.Fprintf(&b, "- apiGroups: [%q]\n  resources: [%s]\n  verbs: [list]\n", group, strings.Join(resources, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
