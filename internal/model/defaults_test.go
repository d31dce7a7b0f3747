package model

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// rawObject is an object that was not completed yet.
func rawObject(t testing.TB, value map[string]any) *Object {
	t.Helper()
	root, source := parseJSON(t, value)
	o := &Object{APIVersion: value["apiVersion"].(string), Root: root, Source: source}
	o.Key.GroupKind = GroupKind{GroupOf(o.APIVersion), value["kind"].(string)}
	return o
}

// TestDefaultsKeepWhatIsWritten holds for random objects of all types: a second
// run changes nothing; what was written stays, except null, "" and 0 and the
// few values that the server overrides; what is added is marked.
func TestDefaultsKeepWhatIsWritten(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 7))}
	added := 0
	for apiVersion := range builtinVersions {
		for kind, goType := range kindsOfTest(t, apiVersion) {
			for range 30 {
				value := g.object(apiVersion, kind, goType)
				o, raw := rawObject(t, value), rawObject(t, value)
				applyDefaults(o)
				once := snapshotOf(t, o.Root)
				added += keeps(t, raw.Root, o.Root, tree.Path{})
				applyDefaults(o)
				if twice := snapshotOf(t, o.Root); twice != once {
					t.Fatalf("%s %s: a second run changes\n%s\ninto\n%s", apiVersion, kind, once, twice)
				}
				o.Root.Seal()
			}
		}
	}
	if added < 10_000 {
		t.Errorf("only %d values were added", added)
	}
}

func snapshotOf(t *testing.T, n *tree.Node) string {
	t.Helper()
	text, err := json.Marshal(n.Native())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// overridden are written values that the server replaces.
var overridden = map[string]bool{
	"serviceAccount": true, "sessionAffinityConfig": true, "terminationGracePeriodSeconds": true, "kubernetes.io/metadata.name": true,
}

// keeps compares a tree with the completed one and returns how many values
// were added.
func keeps(t *testing.T, raw, done *tree.Node, path tree.Path) (added int) {
	t.Helper()
	if done.Has(tree.Implied) {
		empty := raw.Kind() == tree.Null || raw.Text() == "" && raw.Len() == 0 || raw.Text() == "0"
		if !empty && !overridden[raw.Key()] {
			t.Errorf("%s was written and is implied now", path)
		}
		if done.KeyStart() != raw.KeyStart() || done.End() != raw.End() {
			t.Errorf("%s: the position of a written value is lost", path)
		}
		return 1
	}
	if raw.Kind() != done.Kind() || raw.Text() != done.Text() || raw.Is(tree.List) && raw.Len() != done.Len() {
		t.Errorf("%s was changed", path)
		return 0
	}
	for i := range done.Children() {
		kid := &done.Children()[i]
		below := path.Join(tree.Step{Key: kid.Key(), Index: i})
		if i < raw.Len() { // what is added comes last
			if before := &raw.Children()[i]; before.Key() != kid.Key() {
				t.Errorf("%s stands where %q was", below, before.Key())
			} else {
				added += keeps(t, before, kid, below)
			}
			continue
		}
		if !kid.Has(tree.Implied) {
			t.Errorf("%s was added and is not marked", below)
		}
		added++
	}
	return added
}

func TestDefaultsOfADeployment(t *testing.T) {
	o := object(t, deploymentText)
	container := o.Pods()[0].Spec.Get("containers").At(0)
	for _, test := range []struct {
		got  *tree.Node
		want any
	}{
		{container.Get("imagePullPolicy"), "IfNotPresent"},
		{container.Get("ports").At(0).Get("protocol"), "TCP"},
		{container.Dig("livenessProbe", "failureThreshold"), int64(3)},
		{container.Dig("livenessProbe", "httpGet", "scheme"), "HTTP"},
		{container.Get("env").At(2).Dig("valueFrom", "fieldRef", "apiVersion"), "v1"},
		{o.Root.Dig("spec", "strategy", "rollingUpdate", "maxSurge"), "25%"},
		{o.Pods()[0].Spec.Get("volumes").At(1).Dig("configMap", "defaultMode"), int64(420)},
		{o.Pods()[0].Spec.Get("serviceAccount"), "checkout"},
		{o.Pods()[0].Spec.Get("enableServiceLinks"), nil}, // only in Pods
	} {
		if !reflect.DeepEqual(test.got.Native(), test.want) || test.want != nil && !test.got.Has(tree.Implied) {
			t.Errorf("%s is %v (implied: %v), want %v", test.got.Key(), test.got.Native(), test.got.Has(tree.Implied), test.want)
		}
	}
}

// TestSharedDefaultsStayWhole builds objects on several goroutines: what their
// trees share must not be written. The race detector sees it.
func TestSharedDefaultsStayWhole(t *testing.T) {
	done := make(chan uint64)
	for range 4 {
		go func() {
			o := object(t, deploymentText)
			done <- o.Root.Hash()
		}()
	}
	first := <-done
	for range 3 {
		if next := <-done; next != first {
			t.Error("equal documents have different hashes")
		}
	}
}

func TestTemplatesOfCustomResourcesAreNotCompleted(t *testing.T) {
	o := object(t, `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: r}
spec: {template: {spec: {containers: [{name: c, image: nginx}]}}}
`)
	if len(o.Pods()) != 1 || o.Pods()[0].Spec.Get("restartPolicy") != nil {
		t.Errorf("pods: %v", o.Pods())
	}
}

// Of versions that are not known no type is checked: values of the wrong kind
// must come through as they are.
func TestDefaultsOfMisshapenObjects(t *testing.T) {
	for _, kind := range []string{"Deployment", "DaemonSet", "StatefulSet"} {
		for _, strategy := range []string{"text", "[a]", "7", "{type: RollingUpdate, rollingUpdate: text}"} {
			text := fmt.Sprintf("{apiVersion: apps/v9, kind: %s, metadata: {name: a}, spec: {strategy: %[2]s, updateStrategy: %[2]s}}", kind, strategy)
			raw, _ := parse(t, text)
			o := object(t, text)
			for _, key := range []string{"strategy", "updateStrategy"} {
				before, after := raw.Dig("spec", key), o.Root.Dig("spec", key)
				if before.Is(tree.Map) {
					before, after = before.Get("rollingUpdate"), after.Get("rollingUpdate")
				}
				if !reflect.DeepEqual(before.Native(), after.Native()) {
					t.Errorf("%s: %s became %v", text, key, after.Native())
				}
			}
		}
	}
}

func FuzzIsLatest(f *testing.F) {
	for _, image := range images {
		f.Add(image)
	}
	f.Fuzz(func(_ *testing.T, image string) { isLatest(image) })
}
