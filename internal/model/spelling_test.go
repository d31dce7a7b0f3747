package model

import "testing"

func TestCutPlace(t *testing.T) {
	for text, want := range map[string][2]string{
		"sa/a/r": {"sa", "a/r"}, "sa:a/r": {"sa", "a/r"}, "ServiceAccount/a/r": {"sa", "a/r"}, "user:system:anonymous": {"user", "system:anonymous"},
		"group/ops": {"group", "ops"}, "Deploy/a/w": {"deploy", "a/w"}, "a/w": {"a", "w"}, "any": {"any", ""}, "pod:a/w": {"", "pod:a/w"},
		"cloud-identity/arn:aws:iam::1:role/x": {"cloud-identity", "arn:aws:iam::1:role/x"}, "": {"", ""},
		"system:serviceaccount:a:r": {"sa", "a/r"}, "system:serviceaccount:a": {"sa", "a"}, "system:node:n.example": {"user", "system:node:n.example"}, "system:nodes": {"", "system:nodes"},
	} {
		if word, rest := CutPlace(text); word != want[0] || rest != want[1] {
			t.Errorf("%q is %q and %q", text, word, rest)
		}
	}
}

func TestWorkloadCalled(t *testing.T) {
	for name, want := range map[string]string{
		"po": "Pod", "pods": "Pod", "Pod": "Pod", "deploy": "Deployment", "Deployments": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "rs": "ReplicaSet",
		"rc": "ReplicationController", "cj": "CronJob", "jobs": "Job", "svc": "", "shop": "", "": "", "clone": "",
	} {
		if gk, ok := WorkloadCalled(name); gk.Kind != want || ok != (want != "") {
			t.Errorf("%s is %s", name, gk)
		}
	}
}
