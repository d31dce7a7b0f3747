package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// storageCanaries are places of secrets in what ullage storage and ullage secrets
// look at closely.
var storageCanaries = map[string]string{
	"storage.yaml": `apiVersion: v1
kind: PersistentVolume
metadata: {name: pv, annotations: {example.com/password: "@canary@"}}
spec:
  csi: {driver: smb.csi.k8s.io, volumeHandle: "smb://app:@canary@@filer/share", volumeAttributes: {password: "@canary@", source: //filer/share}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: pv}
provisioner: example.com/driver
parameters: {restuserkey: "@canary@", url: "https://admin:@canary@@heketi:8080"}
---
apiVersion: v1
kind: Pod
metadata: {name: storage, annotations: {vault.hashicorp.com/agent-inject: "true", vault.hashicorp.com/agent-inject-token: "@canary@"}}
spec:
  containers: [{name: a, image: a, volumeMounts: [{name: git, mountPath: /g}, {name: flex, mountPath: /f}, {name: s, mountPath: /s}]}]
  volumes:
  - {name: git, gitRepo: {repository: "https://app:@canary@@git.example/app"}}
  - {name: flex, flexVolume: {driver: x/y, options: {password: "@canary@"}}}
  - {name: s, secret: {secretName: database}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: store}
spec: {provider: {fake: {data: [{key: password, value: "@canary@"}]}, vault: {auth: {tokenSecretRef: {name: database, key: token}}}}}
`,
}

func TestInventoryCanary(t *testing.T) {
	c := &canaries{t: t, marks: map[string]string{}}
	files := map[string]string{}
	for _, texts := range []map[string]string{canaryFiles, storageCanaries} {
		for name, text := range texts {
			files[name] = c.fill(name, text)
		}
	}
	dir := write(t, maps.Clone(files))
	for command, told := range map[string]string{"storage": "PersistentVolume pv", "secrets": "database"} {
		for _, more := range [][]string{nil, {"-v", "--closed-world"}, {"-o", "json"}} {
			o := ullage(t, append([]string{command, dir}, more...)...)
			if o.code != exitIncomplete || !strings.Contains(o.stdout, told) && !strings.Contains(o.stdout, `"name": "pv"`) {
				t.Errorf("%s %q: exit code %d, and %s is not spoken of: %s", command, more, o.code, told, o.stderr)
			}
			what := fmt.Sprintf("%s %q", command, more)
			c.absent(what+" on standard output", o.stdout)
			c.absent(what+" on standard error", o.stderr)
		}
	}
}

// TestInventoryFromCluster reads a saved cluster; of a gap it says what it leaves
// unknown.
func TestInventoryFromCluster(t *testing.T) {
	objects := []string{
		`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop", "uid": "5b0c1f64-6a4b-4f63-9f0a-1f2b3c4d5e6f"}, "data": {"password": "YzRuNHJ5LXZhbHVl"}}`,
		`{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}, "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pv"}, "status": {"phase": "Bound"}}`,
		`{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "old"}, "spec": {"hostPath": {"path": "/etc"}, "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "shop", "name": "gone"}}, "status": {"phase": "Released"}}`,
		livePod("shop"),
		`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ci", "namespace": "shop", "uid": "1b0c1f64-6a4b-4f63-9f0a-1f2b3c4d5e6f",
			"annotations": {"kubernetes.io/service-account.name": "ci"}, "labels": {"kubernetes.io/legacy-token-last-used": "2026-01-02"}}}`,
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": {"serviceAccountName": "a", "containers": [{"name": "a", "image": "i", "envFrom": [{"secretRef": {"name": "api"}}]}]}}`,
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "namespace": "shop"}, "spec": {"serviceAccountName": "b", "containers": [{"name": "b", "image": "i", "envFrom": [{"secretRef": {"name": "api"}}]}]}}`,
		`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api", "namespace": "shop", "uid": "2b0c1f64-6a4b-4f63-9f0a-1f2b3c4d5e6f"}}`,
	}
	whole := savedCluster(t, "v1.37.0", nil, objects...)
	part := savedCluster(t, "v1.37.0", []model.Gap{{Kind: model.GroupKind{Kind: "Pod"}, Reason: "pods may not be listed"}}, objects...)
	for _, c := range []struct{ command, path, want, not string }{
		{"storage", whole, "[claim-unused]", "not be listed"}, {"storage", whole, "[orphaned-data]", "YzRu"}, {"storage", part, "Not known: pods may not be listed", "[claim-unused]"},
		// The type of a Secret in a cluster is not read, and whether the one is used may hang on it.
		{"secrets", whole, "UNKNOWN   Secret shop/db", "[secret-committed]"}, {"secrets", part, "Not known: pods may not be listed", "[secret-unused]"},
		{"secrets", whole, "[secret-shared-across-accounts]", "[secret-unused]"},
		{"secrets", whole, "a token of service account ci that does not expire; last used on\n  2026-01-02 [sa-token-legacy-secret]", "[secret-unused]"},
	} {
		o := ullage(t, c.command, "--from", c.path)
		if o.code != exitClean || !strings.Contains(o.stdout, c.want) || strings.Contains(o.stdout, c.not) || strings.Contains(o.stdout, "c4n4ry") {
			t.Errorf("%s: exit code %d, want %q and not %q in\n%s%s", c.command, o.code, c.want, c.not, o.stdout, o.stderr)
		}
	}
}

// TestReadersAreThoseOfRBAC holds the readers of each Secret of a set of roles
// against what ullage access answers for it.
func TestReadersAreThoseOfRBAC(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": `
apiVersion: v1
kind: Secret
metadata: {name: one, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: two, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: one, namespace: data}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: named, namespace: shop}
rules: [{apiGroups: [""], resources: [secrets], resourceNames: [one], verbs: [get, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: named, namespace: shop}
roleRef: {kind: Role, name: named, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: ServiceAccount, name: app, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: lister}
rules: [{apiGroups: [""], resources: ["*"], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: lister, namespace: data}
roleRef: {kind: ClusterRole, name: lister, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: Group, name: "system:serviceaccounts:shop", apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lister}
roleRef: {kind: ClusterRole, name: lister, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: User, name: jo, apiGroup: rbac.authorization.k8s.io}]
`})
	var doc struct{ Secrets []secretJSON }
	if err := json.Unmarshal([]byte(ullage(t, "secrets", "-o", "json", dir).stdout), &doc); err != nil || len(doc.Secrets) != 3 {
		t.Fatalf("%d Secrets, %v", len(doc.Secrets), err)
	}
	yes := 0
	for _, s := range doc.Secrets {
		for _, verb := range []string{"get", "list", "watch"} {
			for _, subject := range []string{"sa:shop/app", "group:system:serviceaccounts:shop", "user:jo"} {
				got := false
				for _, r := range s.Readers {
					got = got || r.Subject == subject && strings.Contains(strings.Join(r.Verbs, " "), verb)
				}
				var who struct{ Who []struct{ Subject string } }
				answer := ullage(t, "access", "who-can", verb, "secrets/"+s.Name, "-n", s.Namespace, "-o", "json", "-f", dir)
				if err := json.Unmarshal([]byte(answer.stdout), &who); err != nil {
					t.Fatal(err, answer.stderr)
				}
				want := false
				for _, w := range who.Who {
					want = want || w.Subject == subject
				}
				if want {
					yes++
				}
				if got != want {
					t.Errorf("%s may %s %s/%s: %v, want %v", subject, verb, s.Namespace, s.Name, got, want)
				}
			}
		}
	}
	if yes < 5 {
		t.Errorf("only %d grants: the test shows nothing", yes)
	}
}

// Twice the volumes with the same data are about twice the text.
func TestStorageJSONIsLinear(t *testing.T) {
	size := func(n int) int {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv%06d}\nspec: {csi: {driver: efs.csi.aws.com, volumeHandle: fs-1}, claimRef: {namespace: shop, name: c%d}}\n", i, i)
		}
		o := ullage(t, "storage", "-o", "json", write(t, map[string]string{"a.yaml": text.String()}))
		if o.code != exitClean || strings.Count(o.stdout, `"data": "efs`) != n {
			t.Fatalf("exit code %d, %s%.200s", o.code, o.stderr, o.stdout)
		}
		return len(o.stdout)
	}
	if few, many := size(100), size(200); many > few*5/2 {
		t.Errorf("100 volumes: %d bytes, 200: %d", few, many)
	}
}

// TestInventoryFindsWhatCheckFinds expects every finding of the lists to be one of
// the check, the same in all respects.
func TestInventoryFindsWhatCheckFinds(t *testing.T) {
	type finding struct {
		ID, Rule, Text, Message, Fingerprint string
		Severity                             model.Severity
		Active                               bool
		Symptoms                             []finding
	}
	var report struct{ Findings []finding }
	o := ullage(t, "check", "--profile", "all", "-o", "json", "../../examples/chandlery")
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Fatal(err, o.stderr)
	}
	checked := map[string]finding{}
	var add func([]finding)
	add = func(all []finding) {
		for _, f := range all {
			checked[f.Fingerprint] = f
			add(f.Symptoms)
		}
	}
	add(report.Findings)
	for _, command := range []string{"storage", "secrets"} {
		var doc map[string]any
		o := ullage(t, command, "-o", "json", "../../examples/chandlery")
		if err := json.Unmarshal([]byte(o.stdout), &doc); err != nil {
			t.Fatal(err, o.stderr)
		}
		listed := 0
		for _, part := range doc {
			entries, _ := part.([]any)
			for _, entry := range entries {
				found, _ := entry.(map[string]any)
				text, err := json.Marshal(found["findings"])
				if err != nil {
					t.Fatal(err)
				}
				var findings []finding
				if err := json.Unmarshal(text, &findings); err != nil {
					continue // the list of what is not known
				}
				for _, f := range findings {
					listed++
					if c := checked[f.Fingerprint]; c.Rule != f.ID || c.Message != f.Text || c.Severity != f.Severity || c.Active != f.Active {
						t.Errorf("%s: %+v, and the check has %+v", command, f, c)
					}
				}
			}
		}
		if listed < 8 {
			t.Errorf("%s: only %d findings: the test shows nothing", command, listed)
		}
	}
}

// TestFindingsStandWhereTheyBelong lists each finding with the volume and the Secret
// that it is about, and with no other of the same pod.
func TestFindingsStandWhereTheyBelong(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": `
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
stringData: {password: ""}
---
apiVersion: v1
kind: Secret
metadata: {name: api, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
  - name: web
    image: registry.example/web:1
    securityContext: {privileged: true}
    env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: nokey}}}, {name: K, value: x}]
    envFrom: [{secretRef: {name: api}}]
    volumeMounts: [{name: all, mountPath: /a}, {name: etc, mountPath: /e}, {name: none, mountPath: /n}]
  volumes:
  - name: all
    projected: {sources: [{secret: {name: db}}, {serviceAccountToken: {path: t, expirationSeconds: 200000}}]}
  - {name: etc, hostPath: {path: /etc}}
  - {name: idle, emptyDir: {}}
`})
	got := map[string]string{}
	for _, command := range []string{"storage", "secrets"} {
		var doc struct {
			Volumes, Secrets []struct {
				Kind, Name string
				Findings   []findingJSON
			}
		}
		if err := json.Unmarshal([]byte(ullage(t, command, "--closed-world", "-o", "json", dir).stdout), &doc); err != nil {
			t.Fatal(err)
		}
		for _, e := range append(doc.Volumes, doc.Secrets...) {
			for _, f := range e.Findings {
				if f.Severity > model.Info {
					got[e.Kind+" "+e.Name] += f.ID + " "
				}
			}
		}
	}
	want := map[string]string{
		"projected all":   "long-lived-token ",
		"hostPath /etc":   "host-path-sensitive host-path-writable ",
		"undeclared none": "mount-without-volume ",
		" db":             "missing-config-key secrets-in-env ",
		" api":            "secrets-in-env-from ",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// The last line says what is not known, and does not sum up what was not seen.
func TestInventorySumsUpWhatIsUnknown(t *testing.T) {
	secret := `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop", "uid": "5b0c1f64-6a4b-4f63-9f0a-1f2b3c4d5e6f"}}`
	forbidden := func(kind, resource string) []model.Gap {
		return []model.Gap{{Kind: model.GroupKind{Kind: kind}, Reason: resource + " may not be listed"}}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"secrets", "--from", savedCluster(t, "v1.37.0", forbidden("Secret", "secrets"), livePod("shop"))}, "0 Secrets; nothing wrong found in what was read: secrets may not be listed"},
		{[]string{"secrets", "--from", savedCluster(t, "v1.37.0", nil, livePod("shop"), secret)}, "1 Secret; nothing wrong found in what is known, 1 unknown"},
		{[]string{"secrets", "--from", savedCluster(t, "v1.37.0", nil, livePod("shop"))}, "0 Secrets; nothing wrong found"},
		{[]string{"storage", "--from", savedCluster(t, "v1.37.0", forbidden("PersistentVolumeClaim", "persistentvolumeclaims"), livePod("shop"))},
			"0 volumes, 0 volume snapshots; nothing wrong found in what was read: persistentvolumeclaims may not be listed"},
		{[]string{"storage", "--closed-world", write(t, map[string]string{"a.yaml": "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshot\nmetadata: {name: snap, namespace: shop}\nspec: {source: {persistentVolumeClaimName: data}}\n" +
			"---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"})}, "1 volume, 1 volume snapshot; findings: 1 low, 1 unknown"},
	} {
		o := ullage(t, c.args...)
		if lines := strings.Fields(o.stdout); !strings.HasSuffix(strings.Join(lines, " "), c.want) {
			t.Errorf("%v: want %q at the end of\n%s%s", c.args[0], c.want, o.stdout, o.stderr)
		}
	}
}

// TestBaselineOfACheckSilencesTheList has a baseline hold what the check that wrote it
// found: with the same rules nothing is left.
func TestBaselineOfACheckSilencesTheList(t *testing.T) {
	for _, profile := range []string{"", "all"} {
		file := filepath.Join(t.TempDir(), "baseline.json")
		flags := []string{"../../examples/chandlery"}
		if profile != "" {
			flags = append(flags, "--profile", profile)
		}
		if o := ullage(t, append([]string{"check", "--write-baseline", file}, flags...)...); o.code != exitClean {
			t.Fatal(o.stderr)
		}
		for _, command := range []string{"storage", "secrets"} {
			active := func(more ...string) int {
				return strings.Count(ullage(t, append([]string{command, "-o", "json"}, append(flags, more...)...)...).stdout, `"active": true`)
			}
			if before, after := active(), active("--baseline", file); before == 0 || after != 0 {
				t.Errorf("%s of profile %q: %d findings, and %d that the baseline does not hold", command, profile, before, after)
			}
			text := ullage(t, append([]string{command, "--baseline", file}, flags...)...).stdout
			if less := strings.Contains(text, "--profile all asks the others"); less != (profile == "") {
				t.Errorf("%s of profile %q:\n%s", command, profile, text)
			}
		}
	}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("apiVersion: ullage.dev/v1alpha1\nkind: Config\nprofile: baseline\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := ullage(t, "secrets", "--config", config, "../../examples/chandlery").stdout; !strings.Contains(text, "less than all rules (baseline)") || strings.Contains(text, "[secrets-in-env]") {
		t.Errorf("the configured profile does not hold:\n%s", text)
	}
}
