package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEmpty(t *testing.T) {
	svc := func(name string) string { return "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + name + "\n" }
	dir := write(t, map[string]string{
		"a.yaml": svc("a"), "values.yaml": "replicas: 3\n", "text": "foo", "deploy/b.yaml": svc("b"), "some/readme": "",
		"ours.yaml": "apiVersion: ullage.dev/v1alpha1\nkind: ExceptionList\n", "bad.yaml": "a: [",
		"lib/Chart.yaml":               "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
		"part/kustomization.yaml":      "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [c.yaml]\n",
		"part/c.yaml":                  svc("c"),
		"over/kustomization.yaml":      "resources: [own.yaml]\n",
		"over/own.yaml":                svc("d"),
		"emptychart/Chart.yaml":        "apiVersion: v2\nname: none\nversion: 1.0.0\n",
		"emptychart/templates/no.yaml": "{{ if false }}{{ end }}",
	})
	if err := os.Mkdir(filepath.Join(dir, "none"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		paths, stdin string
		exclude      []string
		want         string
	}{
		{paths: "a.yaml"},
		{paths: "none", want: "none"},
		{paths: "some", want: "some"},
		{paths: "values.yaml", want: "values.yaml"},
		{paths: "a.yaml none values.yaml", want: "none values.yaml"},
		{paths: "deploy", exclude: []string{"*.yaml"}, want: "deploy"},
		{paths: "-", want: "stdin"},
		{paths: "-", stdin: "foo\n", want: "stdin"},
		{paths: "- a.yaml", stdin: "foo\n", want: "stdin"},
		{paths: "-", stdin: svc("s")},
		{paths: "bad.yaml"},
		{paths: "nosuch"},
		{paths: "ours.yaml", want: "ours.yaml"},
		{paths: "ours.yaml a.yaml"},
		{paths: "lib", want: "lib"},
		{paths: "lib a.yaml"},
		{paths: "emptychart a.yaml", want: "emptychart"},
		{paths: "part"},
		{paths: "part a.yaml"},
		{paths: "deploy deploy/b.yaml"},
		{paths: "over over/own.yaml"},
		{paths: "over/own.yaml over"},
	} {
		var paths []string
		for p := range strings.FieldsSeq(tt.paths) {
			if p != "-" {
				p = filepath.Join(dir, p)
			}
			paths = append(paths, p)
		}
		in := load(t, Options{Stdin: strings.NewReader(tt.stdin), Exclude: tt.exclude}, paths...)
		var got []string
		for _, name := range in.Empty {
			got = append(got, strings.TrimPrefix(name, filepath.ToSlash(dir)+"/"))
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s with %q: empty %q, want %q (problems %v)", tt.paths, tt.stdin, got, tt.want, in.Problems)
		}
	}
}
