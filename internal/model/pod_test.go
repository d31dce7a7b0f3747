package model

import (
	"strings"
	"testing"
)

func TestPodTemplates(t *testing.T) {
	const spec = "{containers: [{name: c, image: nginx}]}"
	template := func(labels string) string { return "{metadata: {labels: {app: " + labels + "}}, spec: " + spec + "}" }
	for _, test := range []struct{ text, paths, labels string }{
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: a}}\nspec: " + spec, "spec", "a"},
		{"apiVersion: v1\nkind: PodTemplate\nmetadata: {name: p}\ntemplate: " + template("a"), "template.spec", "a"},
		{"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: p}\nspec: {template: " + template("a") + "}", "spec.template.spec", "a"},
		{"apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: p}\nspec: {template: " + template("a") + "}", "spec.template.spec", "a"},
		{"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: p}\nspec: {jobTemplate: {spec: {template: " + template("a") + "}}}", "spec.jobTemplate.spec.template.spec", "a"},
		{"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: p}\nspec: {}", "", ""},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata: {spec: x}", "", ""},
		{"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: p}\nspec: {template: " + template("a") + "}", "spec.template.spec", "a"},
		{"apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: p}\nspec: {roles: [{template: " + template("a") + "}, {template: " + template("b") + "}]}",
			"spec.roles[0].template.spec spec.roles[1].template.spec", "a b"},
		{"apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: p}\nspec: {containers: [{name: c}]}", "", ""},
		{"apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: p}\nspec: {spec: {containers: []}}", "", ""},
		{"apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: p}\nspec: " + spec, "spec", ""},
	} {
		var paths, labels []string
		o := object(t, test.text+"\n")
		for _, p := range o.Pods() {
			paths = append(paths, p.SpecPath.String())
			labels = append(labels, p.Labels().Get("app").Str())
			if o.Root.Follow(p.SpecPath) != p.Spec {
				t.Errorf("%s: SpecPath does not lead to Spec", test.text)
			}
		}
		if strings.Join(paths, " ") != test.paths || strings.TrimSpace(strings.Join(labels, " ")) != test.labels {
			t.Errorf("%s\nhas pods at %q labelled %q", test.text, paths, labels)
		}
	}
}
