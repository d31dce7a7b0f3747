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
		{"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: p}\nspec: {template: {metadata: {labels: {app: a}}, spec: {containers: [{image: nginx}]}}}", "spec.template.spec", "a"},
		{"apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: p}\nspec: {podTemplate: {hostNetwork: true, containers: [{image: nginx}]}}", "spec.podTemplate", ""},
		{"apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: p}\nspec: {podTemplate: {size: 3, containers: [{image: nginx}]}}", "", ""},
		{"apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: p}\nspec: {set: {containers: [{image: nginx}]}}", "", ""},
		{"apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: p}\nspec: {containers: [{name: c, image: {repository: nginx}}]}", "", ""},
		{"apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec: {rules: [{validate: {pattern: {spec: {containers: [{image: '*:*'}]}}}}]}", "", ""},
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

func TestPodsNotUnderstood(t *testing.T) {
	for text, want := range map[string]bool{
		"apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec: {templates: [{container: {image: alpine}}]}":                 true,
		"apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: w}\nspec: {steps: [{image: alpine}]}":                                             true,
		"apiVersion: example.com/v1\nkind: Database\nmetadata: {name: w}\nspec: {securityContext: {runAsUser: 0}}":                                 true,
		"apiVersion: example.com/v1\nkind: Database\nmetadata: {name: w, annotations: {image: x}}\nspec: {size: 3}\nstatus: {image: x}":            false,
		"apiVersion: example.com/v1\nkind: Database\nmetadata: {name: w}\nspec: {image: {}, securityContext: none}":                                false,
		"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: w}\nspec: {template: {spec: {containers: [{name: c, image: alpine}]}}}": false,
		"apiVersion: kyverno.io/v1\nkind: Policy\nmetadata: {name: w}\nspec: {rules: [{validate: {pattern: {image: '*:*'}}}]}":                     false,
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w}\ndata: {image: alpine}":                                                              false,
	} {
		if got := object(t, text+"\n").PodsNotUnderstood(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestEnded(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"{apiVersion: v1, kind: Pod, metadata: {name: p, uid: u}, spec: {containers: [{name: c, image: a}]}, status: {phase: Succeeded}}", true},
		{"{apiVersion: v1, kind: Pod, metadata: {name: p, uid: u}, spec: {containers: [{name: c, image: a}]}, status: {phase: Failed}}", true},
		{"{apiVersion: v1, kind: Pod, metadata: {name: p, uid: u}, spec: {containers: [{name: c, image: a}]}, status: {phase: Running}}", false},
		{"{apiVersion: v1, kind: Pod, metadata: {name: p, uid: u}, spec: {containers: [{name: c, image: a}]}}", false},
		{"{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: a}]}, status: {phase: Succeeded}}", false},
		{"{apiVersion: batch/v1, kind: Job, metadata: {name: p, uid: u}, status: {conditions: [{type: Complete, status: 'True'}]}}", true},
		{"{apiVersion: batch/v1, kind: Job, metadata: {name: p, uid: u}, status: {conditions: [{type: Suspended, status: 'True'}, {type: Failed, status: 'True'}]}}", true},
		{"{apiVersion: batch/v1, kind: Job, metadata: {name: p, uid: u}, status: {conditions: [{type: Complete, status: 'False'}, {type: FailureTarget, status: 'True'}]}}", false},
		{"{apiVersion: batch/v1, kind: CronJob, metadata: {name: p, uid: u}, status: {conditions: [{type: Complete, status: 'True'}]}}", false},
		{"{apiVersion: example.com/v1, kind: Pod, metadata: {name: p, uid: u}, status: {phase: Failed}}", false},
	} {
		if got := object(t, c.text+"\n").Ended(); got != c.want {
			t.Errorf("%s: ended is %t", c.text, got)
		}
	}
}
