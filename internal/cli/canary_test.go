package cli

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/report"
)

// canaries numbers secret values; each begins with its own mark, so that a
// shortened one is found too.
type canaries struct {
	t     *testing.T
	marks map[string]string // mark -> where it was placed
}

// fill replaces @canary@ and @canary64@ (base64) in a text.
func (c *canaries) fill(where, text string) string {
	return regexp.MustCompile(`@canary(64)?@`).ReplaceAllStringFunc(text, func(form string) string {
		mark := fmt.Sprintf("Zq%03dXw", len(c.marks))
		line := 1 + strings.Count(text, "\n")
		c.marks[mark] = fmt.Sprintf("%s (of %d lines, place %d)", where, line, len(c.marks))
		value := mark + "7Rt9Lm2Kp5Vb8Nc"
		if form == "@canary64@" {
			value = base64.StdEncoding.EncodeToString([]byte(value))
			c.marks[value[:8]] = c.marks[mark] + ", base64"
		}
		return value
	})
}

// absent fails the test for each canary that a text holds.
func (c *canaries) absent(what, text string) {
	c.t.Helper()
	for mark, where := range c.marks {
		if i := strings.Index(text, mark); i >= 0 {
			c.t.Errorf("%s shows the secret of %s: ...%s...", what, where, text[max(0, i-80):min(len(text), i+20)])
		}
	}
}

// canaryFiles hold secrets wherever people put them. The broken ones hold them
// beside the mistake.
var canaryFiles = map[string]string{
	"secret.yaml": `apiVersion: v1
kind: Secret
metadata:
  name: database
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"database"},"data":{"password":"@canary64@"}}'
data: {password: "@canary64@", broken: "%@canary@"}
stringData:
  token: @canary@
  file: |
    user=admin
    password=@canary@
`,
	"secret.json": `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "json"}, "stringData": {"k": "@canary@"}}]}`,
	"workload.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    example.com/api-token: @canary@
    kubectl.kubernetes.io/last-applied-configuration: |
      {"spec":{"template":{"spec":{"containers":[{"env":[{"name":"DB_PASSWORD","value":"@canary@"}]}]}}}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {vault.example/secret-key: "@canary@"}
    spec:
      hostPID: true
      initContainers:
      - name: init
        image: registry.example/init
        command: [sh, -c, "PGPASSWORD=@canary@ psql -h db; mysql -u root -p@canary@"]
      containers:
      - name: web
        image: registry.example/web:latest
        args: [--api-key=@canary@, --password, "@canary@", "--dsn=postgres://app:@canary@@db/app"]
        env:
        - {name: DB_PASSWORD, value: @canary@}
        - name: AWS_SECRET_ACCESS_KEY
          value: "@canary@"
        - {name: DATABASE_URL, value: "postgres://app:@canary@@db/app"}
        - {name: CONFIG, value: "{\"client_secret\": \"@canary@\"}"}
        - {name: OPAQUE_THING, value: ghp_@canary@abcdefghijklmnopqr}
        livenessProbe:
          exec: {command: [check, --token=@canary@]}
        readinessProbe:
          httpGet: {path: /, port: 80, httpHeaders: [{name: Authorization, value: "Bearer @canary@"}]}
        securityContext: {privileged: true}
`,
	"cronjob.yaml": `apiVersion: batch/v1
kind: CronJob
metadata: {name: job}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a, env: [{name: API_TOKEN, value: "@canary@"}]}]}}}}
`,
	"configmap.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data:
  db.password: @canary@
  application.yaml: |
    spring:
      datasource:
        password: @canary@
  app.properties: |
    api.token=@canary@
`,
	"volumes.yaml": `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: kubernetes.io/glusterfs
parameters: {password: "@canary@", restuserkey: "@canary@"}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  csi: {driver: d.example, volumeHandle: h, volumeAttributes: {password: "@canary@"}}
---
apiVersion: v1
kind: Pod
metadata: {name: volumes}
spec:
  containers: [{name: a, image: a}]
  volumes:
  - {name: a, csi: {driver: d.example, volumeAttributes: {password: "@canary@"}}}
  - {name: b, flexVolume: {driver: d.example/d, options: {password: "@canary@"}}}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: a}
spec: {attacher: d.example, nodeName: n, source: {persistentVolumeName: disk}}
status: {attached: true, attachmentMetadata: {password: "@canary@", note: ghp_@canary@abcdefghijklmnopqrstuvwxyz}}
`,
	"custom.yaml": `apiVersion: example.com/v1
kind: Cluster
metadata: {name: custom}
spec:
  password: @canary@
  auth: {clientSecret: "@canary@"}
  template:
    spec:
      containers: [{name: a, image: a, env: [{name: TOKEN, value: "@canary@"}]}]
`,
	"wrong-types.yaml": `apiVersion: v1
kind: Secret
metadata: {name: wrong}
data: @canary@
---
apiVersion: v1
kind: Secret
metadata: {name: wrong-list}
stringData: ["@canary@"]
---
apiVersion: v1
kind: Pod
metadata: {name: wrong}
spec:
  containers:
  - name: a
    image: a
    env: {PASSWORD: "@canary@"}
---
apiVersion: v1
kind: Pod
metadata: {name: misspelt}
spec:
  containers:
  - {name: a, image: a, env: [{name: PASSWORD, value: "@canary@", valeu: b}]}
---
apiVersion: v1
kind: Secret
metadata: {name: twice}
stringData: {password: "@canary@"}
stringData: {password: "@canary@"}
`,
	"broken-flow.yaml":   "apiVersion: v1\nkind: Secret\nstringData: {password: @canary@\nmetadata: {name: a}\n",
	"broken-tab.yaml":    "apiVersion: v1\nkind: Secret\nstringData:\n\tpassword: @canary@\n",
	"broken-colon.yaml":  "apiVersion: v1\nkind: Secret\nstringData:\n  password: @canary@: @canary@\n  b\n",
	"broken-quote.yaml":  "apiVersion: v1\nkind: Secret\nstringData:\n  password: \"@canary@\n",
	"broken-escape.yaml": "apiVersion: v1\nkind: Secret\nstringData:\n  password: \"@canary@\\q\"\n",
	"broken-anchor.yaml": "apiVersion: v1\nkind: Secret\nstringData:\n  password: *@canary@\n",
	"broken-tag.yaml":    "apiVersion: v1\nkind: Secret\nstringData:\n  password: !!int @canary@\n",
	"broken.json":        `{"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "@canary@" "x"}}`,
	"unrendered.yaml":    "apiVersion: v1\nkind: Secret\nstringData:\n  password: {{ @canary@ }}\n  {{- if @canary@ }}\n",
	"declaration.yaml":   "apiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: @canary@\n",

	"chart/Chart.yaml":                  "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
	"chart/values.yaml":                 "password: @canary@\n",
	"chart/templates/secret.yaml":       "apiVersion: v1\nkind: Secret\nmetadata: {name: chart}\nstringData: {password: {{ .Values.password | quote }}}\n",
	"chart/templates/env.yaml":          "apiVersion: v1\nkind: Pod\nmetadata: {name: chart}\nspec: {containers: [{name: a, image: a, env: [{name: DB_PASSWORD, value: {{ .Values.password | quote }}}]}]}\n",
	"failing/Chart.yaml":                "apiVersion: v2\nname: failing\nversion: 1.0.0\n",
	"failing/values.yaml":               "password: @canary@\n",
	"failing/templates/fail.yaml":       "{{ fail (printf \"no %s\" .Values.password) }}\n",
	"failing/templates/type.yaml":       "a: {{ add1 .Values.password.x }}\n",
	"failing/templates/int.yaml":        "a: {{ index .Values.password 99 }}\n",
	"failing/templates/required.yaml":   "a: {{ required .Values.password nil }}\n",
	"failing/templates/fromyaml.yaml":   "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: {{ .Values.password }}\n",
	"failing/templates/tpl.yaml":        "a: {{ tpl (printf \"{{ %s }}\" .Values.password) . }}\n",
	"failing/templates/mustregex.yaml":  "a: {{ mustRegexMatch (printf \"%s[\" .Values.password) \"x\" }}\n",
	"failing/templates/todate.yaml":     "a: {{ mustToDate \"2006\" .Values.password }}\n",
	"failing/templates/semver.yaml":     "a: {{ semver .Values.password }}\n",
	"failing/templates/b64.yaml":        "a: {{ fromJson .Values.password }}\n",
	"badvalues/Chart.yaml":              "apiVersion: v2\nname: badvalues\nversion: 1.0.0\n",
	"badvalues/values.yaml":             "password: \"@canary@\n",
	"overlay/kustomization.yaml":        "resources: [pod.yaml]\nsecretGenerator: [{name: s, literals: [password=@canary@]}]\nconfigMapGenerator: [{name: c, literals: [db.password=@canary@]}]\n",
	"overlay/pod.yaml":                  "apiVersion: v1\nkind: Pod\nmetadata: {name: o}\nspec: {containers: [{name: a, image: a, env: [{name: DB_PASSWORD, value: @canary@}]}]}\n",
	"broken-overlay/kustomization.yaml": "resources: [pod.yaml]\nsecretGenerator: [{name: s, literals: [@canary@]}]\n",
	"broken-overlay/pod.yaml":           "apiVersion: v1\nkind: Pod\nmetadata: {name: o}\n",
	"broken-patch/kustomization.yaml":   "resources: [pod.yaml]\npatches: [{patch: \"- op: replace\\n  path: /spec/nosuch/field\\n  value: @canary@\", target: {kind: Pod}}]\n",
	"broken-patch/pod.yaml":             "apiVersion: v1\nkind: Pod\nmetadata: {name: o}\nspec: {containers: [{name: a, image: a, env: [{name: DB_PASSWORD, value: @canary@}]}]}\n",
}

// leakyRule is a rule that would print all it sees.
const leakyRule = `apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: leaky-env}
spec:
  title: Prints values
  severity: high
  category: secrets
  rationale: It should not.
  remediation: None.
  subject: env
  field: env.value
  validations:
    - expression: "false"
      message: leak
      messageExpression: string(env.?value.orValue("none"))
---
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: leaky-secret}
spec:
  title: Prints Secrets
  severity: high
  category: secrets
  rationale: It should not.
  remediation: None.
  subject: object
  kinds: [Secret]
  field: object.data
  validations:
    - expression: "false"
      message: leak
      messageExpression: >-
        [object.?data.orValue({}), object.?stringData.orValue({})].map(m, m.map(k, string(m[k])).join(" ")).join(" ")
---
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: leaky-container}
spec:
  title: Prints arguments
  severity: high
  category: secrets
  rationale: It should not.
  remediation: None.
  subject: container
  field: container.args
  validations:
    - expression: "false"
      message: leak
      messageExpression: (container.?command.orValue([]) + container.?args.orValue([])).join(" ")
---
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: leaky-annotations}
spec:
  title: Prints annotations
  severity: high
  category: secrets
  rationale: It should not.
  remediation: None.
  subject: object
  field: object.metadata.annotations
  validations:
    - expression: "false"
      message: leak
      messageExpression: object.metadata.?annotations.orValue({}).map(k, object.metadata.annotations[k]).join(" ")
---
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: leaky-map}
spec:
  title: Prints ConfigMaps
  severity: high
  category: secrets
  rationale: It should not.
  remediation: None.
  subject: object
  kinds: [ConfigMap]
  field: object.data
  validations:
    - expression: "false"
      message: leak
      messageExpression: object.?data.orValue({}).map(k, object.data[k]).join(" ")
---
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: leaky-error}
spec:
  title: Fails over a value
  severity: high
  category: secrets
  rationale: It should not.
  remediation: None.
  subject: env
  field: env.value
  validations:
    - expression: int(env.?value.orValue("0")) > 0 && duration(env.value) > duration("1s") && timestamp(env.value) > timestamp("2020-01-01T00:00:00Z")
      message: leak
`

// TestCanary places secret values in files of all kinds and looks for them in
// everything that the program writes.
func TestCanary(t *testing.T) {
	c := &canaries{t: t, marks: map[string]string{}}
	files := map[string]string{}
	for name, text := range canaryFiles {
		files[name] = c.fill(name, text)
	}
	dir := write(t, files)
	own := write(t, map[string]string{"rules.yaml": leakyRule})
	broken := 0
	for _, format := range report.Formats() {
		for _, more := range [][]string{
			nil,
			{"--profile", "all", "--verbose", "--show-excepted", "--closed-world"},
			{"--policies", own, "--verbose", "--rule", "leaky-env,leaky-secret,leaky-container,leaky-annotations,leaky-map,leaky-error"},
		} {
			o := ullage(t, append([]string{"check", "-o", format, dir}, more...)...)
			if o.code != 3 {
				t.Fatalf("-o %s %q: exit code %d, want 3: %s", format, more, o.code, o.stderr)
			}
			what := fmt.Sprintf("-o %s %q", format, more)
			c.absent(what+" on standard output", o.stdout)
			c.absent(what+" on standard error", o.stderr)
			if strings.Contains(o.stdout, "leaky-env") && strings.Contains(o.stdout, "broken-flow.yaml") {
				broken++
			}
		}
	}
	if broken == 0 {
		t.Error("no report speaks of the leaky rules and the broken files: the test shows nothing")
	}
	baseline := filepath.Join(t.TempDir(), "baseline.json")
	for _, args := range [][]string{
		{"check", dir, "--profile", "all", "--write-baseline", baseline},
		{"check", dir, "--diff"},
		{"check", dir, "--profile", "all", "--diff"},
		{"check", dir, "--profile", "all", "--fix=all"},
		{"check", dir, "--exceptions", filepath.Join(dir, "secret.yaml")},
		{"check", dir, "--exceptions", filepath.Join(dir, "broken-colon.yaml")},
		{"check", dir, "--baseline", filepath.Join(dir, "broken.json")},
		{"check", dir, "--config", filepath.Join(dir, "secret.yaml")},
		{"check", dir, "--config", filepath.Join(dir, "broken-quote.yaml")},
		{"check", dir, "--profile", filepath.Join(dir, "secret.yaml")},
		{"check", dir, "--policies", filepath.Join(dir, "secret.yaml")},
		{"check", dir, "--policies", filepath.Join(dir, "broken-flow.yaml")},
		{"check", dir, "--values", filepath.Join(dir, "broken-quote.yaml")},
		{"policy", "test", filepath.Join(dir, "broken-flow.yaml")},
	} {
		o := ullage(t, args...)
		c.absent(fmt.Sprintf("%q on standard output", args), o.stdout)
		c.absent(fmt.Sprintf("%q on standard error", args), o.stderr)
	}
	text := readText(t, baseline)
	if !strings.Contains(text, "fingerprint") {
		t.Error("the baseline is empty")
	}
	c.absent("the baseline", text)
}
