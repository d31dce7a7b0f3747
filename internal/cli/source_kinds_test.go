package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

const kafkaRule = `apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: kafka-plain}
spec:
  title: Kafka listens in the clear
  severity: high
  category: network
  rationale: Everybody may listen.
  remediation: Set tls.
  subject: object
  kinds: [Kafka.kafka.strimzi.io]
  field: object.spec
  validations: [{expression: "object.spec.tls", message: no TLS}]
`

// nativePolicy is about the resources of some API groups.
func nativePolicy(groups, resources string) string {
	return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: named}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [` + groups + `], apiVersions: ["*"], operations: [CREATE], resources: [` + resources + `]}]}
  validations: [{expression: "object.metadata.name != 'bad'"}]
`
}

// TestRulesAboutUnreadKinds shows that a rule about kinds that the cluster has and
// that were not read does not look like one that passed.
func TestRulesAboutUnreadKinds(t *testing.T) {
	kafka := model.Gap{Kind: model.GroupKind{Group: "kafka.strimzi.io", Kind: "Kafka"}, Reason: "kafkas.kafka.strimzi.io are not read"}
	ox := model.Gap{Kind: model.GroupKind{Group: "example.org", Kind: "Ox"}, Resource: "oxen", Reason: "oxen.example.org are not read"}
	told := kafka
	told.Told = true
	group := model.Gap{Kind: model.GroupKind{Group: "kafka.strimzi.io"}, Reason: "what the API group kafka.strimzi.io holds could not be read"}
	for _, c := range []struct {
		name, rule, want string
		gaps             []model.Gap
	}{
		{"own rule", kafkaRule, "kafkas.kafka.strimzi.io are not read, and not judged by kafka-plain", []model.Gap{ox, kafka}},
		{"whole group", kafkaRule, "the API group kafka.strimzi.io holds could not be read, and not judged by kafka-plain", []model.Gap{group}},
		{"other kinds", kafkaRule, "", []model.Gap{ox}},
		{"told before", kafkaRule, "", []model.Gap{told}},
		{"irregular plural", nativePolicy(`example.org`, `oxen`), "oxen.example.org are not read, and not judged by named", []model.Gap{ox, kafka}},
		{"all of a group", nativePolicy(`example.org`, `"*"`), "oxen.example.org are not read", []model.Gap{ox, kafka}},
		{"everything", nativePolicy(`"*"`, `"*"`), "is about whatever there is, and 2 kinds of the cluster are not read, such as Ox.example.org", []model.Gap{ox, kafka}},
		{"subresources", nativePolicy(`"*"`, `"*/status"`), "", []model.Gap{ox, kafka}},
		{"pods", nativePolicy(`""`, `pods`), "", []model.Gap{ox, kafka}},
	} {
		file := filepath.Join(t.TempDir(), "rule.yaml")
		if err := os.WriteFile(file, []byte(c.rule), 0o600); err != nil {
			t.Fatal(err)
		}
		pod := strings.Replace(livePod("shop"), `"privileged": true`, `"privileged": false`, 1)
		args := []string{"check", "--from", savedCluster(t, "v1.37.0", c.gaps, pod), "--policies", file, "--fail-on", "never"}
		o := ullage(t, args...)
		text := strings.Join(strings.Fields(o.stdout+o.stderr), " ")
		code := exitClean
		if c.want != "" {
			code = exitIncomplete
		}
		if o.code != code || !strings.Contains(text, c.want) || c.want == "" && strings.Contains(text, "not read") {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", c.name, o.code, code, c.want, o.stdout, o.stderr)
		}
	}
}

// TestKindsOfRules asks for what rules name, by the plurals of the server.
func TestKindsOfRules(t *testing.T) {
	ox, kafka, event := model.GroupKind{Group: "example.org", Kind: "Ox"}, model.GroupKind{Group: "kafka.strimzi.io", Kind: "Kafka"}, model.GroupKind{Kind: "Event"}
	for _, c := range []struct {
		rule                string
		ofOx, kafkas, event bool
	}{
		{kafkaRule, false, true, false},
		{nativePolicy(`example.org`, `oxen`), true, false, false},
		{nativePolicy(`example.org`, `oxes`), false, false, false},
		{nativePolicy(`example.org`, `"*"`), true, false, false},
		{nativePolicy(`"*"`, `kafkas`), false, true, false},
		{nativePolicy(`"*"`, `"*"`), false, false, false},
		{nativePolicy(`""`, `"*/*"`), false, false, true},
	} {
		file := filepath.Join(t.TempDir(), "rule.yaml")
		if err := os.WriteFile(file, []byte(c.rule), 0o600); err != nil {
			t.Fatal(err)
		}
		rules, _, err := library(t.Context(), []word{{file, "--policies"}}, LatestMinor)
		if err != nil {
			t.Fatal(err)
		}
		more := kindsOf(rules)
		if more(ox, "oxen") != c.ofOx || more(kafka, "kafkas") != c.kafkas || more(event, "events") != c.event {
			t.Errorf("%s\noxen %t, kafkas %t, events %t", c.rule, more(ox, "oxen"), more(kafka, "kafkas"), more(event, "events"))
		}
	}
}
