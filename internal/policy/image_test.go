package policy

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// imagesOf makes images of facts by reference.
func imagesOf(t *testing.T, facts map[string]string) world {
	t.Helper()
	w := world{images: map[string]*tree.Node{}}
	for reference, text := range facts {
		w.images[reference] = parse(t, text)[0].Seal()
	}
	return w
}

const threeContainers = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: a, image: good}, {name: b, image: bad}, {name: c}]
`

func TestRulesAboutImages(t *testing.T) {
	r := ruleOf(t, "image", "validations: [{expression: image.user != 'root', message: m, messageExpression: '\"runs as \" + image.user'}]")
	w := imagesOf(t, map[string]string{"good": "{user: app}", "bad": "{user: root}"})
	out := judge(object(t, threeContainers), w, r)
	if len(out) != 1 || out[0].Verdict != Fail || out[0].Finding.Subject != `container "b"` || out[0].Finding.Message != "runs as root" {
		t.Fatalf("outcomes %+v", out)
	}
	f, err := NewEngine([]*Rule{r}, Options{}).Footprint(r)
	if err != nil || strings.TrimSpace(f.String()) != "image.user" {
		t.Errorf("footprint %q, %v", f, err)
	}
	if _, _, err := NewEngine([]*Rule{r}, Options{}).Export(r, nil); err == nil || !strings.Contains(err.Error(), "what is in the image") {
		t.Errorf("export: %v", err)
	}
	for _, subject := range []string{"container", "pod", "object"} {
		r := ruleOf(t, subject, "validations: [{expression: image.user != 'root', message: m}]")
		if err := NewEngine([]*Rule{r}, Options{}).CompileAll(); err == nil {
			t.Errorf("subject %s has a variable image", subject)
		}
	}
}

// TestUnreadImage holds that an image which was not read is one unknown, whatever
// the number of rules, and that all of them count.
func TestUnreadImage(t *testing.T) {
	rules := []*Rule{
		ruleOf(t, "image", "validations: [{expression: image.user != 'root', message: m}]"),
		ruleOf(t, "image", "validations: [{expression: image.packages.size() == 0, message: m}]"),
		ruleOf(t, "image", "validations: [{expression: 'true', message: m}]"),
	}
	n := tree.UnknownBecause("no login")
	w := world{images: map[string]*tree.Node{"good": n.Seal()}}
	for i, r := range rules {
		r.ID = string(rune('a' + i))
	}
	var tally Tally
	out := NewEngine(rules, Options{}).NewWorker(w).Evaluate(object(t, threeContainers), &tally)
	if len(out) != 1 || out[0].Verdict != Unknown || out[0].Unknown.Rule != nil || out[0].Reason != "no login" || out[0].Subject != `container "a"` {
		t.Fatalf("outcomes %+v", out)
	}
	if tally != (Tally{Evaluated: 3, Unknown: 3}) {
		t.Errorf("tally %+v", tally)
	}
}

// TestUnknownItems holds that a list of which a part is not known still gives what
// was found, and never a pass.
func TestUnknownItems(t *testing.T) {
	r := ruleOf(t, "image", `
variables: [{name: found, expression: 'image.packages.filter(p, p.bad).map(p, p.name)'}]
validations: [{expression: '!image.packages.exists(p, p.bad)', message: static, messageExpression: 'variables.found.join(", ")'}]`)
	node := func(text string, more ...tree.Node) *tree.Node {
		packages := parse(t, text)[0]
		for _, n := range more {
			packages.Add("", n)
		}
		n := tree.MapOf(tree.Entry("packages", *packages))
		return n.Seal()
	}
	unread := tree.UnknownBecause("a layer was not read")
	w := world{images: map[string]*tree.Node{
		"good": node("[{name: a, bad: false}]", unread),
		"bad":  node("[{name: a, bad: true}, {name: b, bad: false}, {name: c, bad: true}]", unread),
	}}
	out := judge(object(t, threeContainers), w, r)
	if len(out) != 2 || out[0].Verdict != Unknown || out[0].Reason != "a layer was not read" || out[1].Verdict != Fail || out[1].Finding.Message != "a, c" {
		t.Fatalf("outcomes %+v", out)
	}
}

// TestImageByItself judges an image without a workload by the rules that need none.
func TestImageByItself(t *testing.T) {
	alone := ruleOf(t, "image", "validations: [{expression: '!has(container.securityContext) && image.user != \"root\"', message: m}]")
	pod := ruleOf(t, "image", "validations: [{expression: 'variables.podSpec.?hostPID.orValue(false) || variables.containers.size() > 0', message: m}]")
	joined := ruleOf(t, "image", "validations: [{expression: size(related.exposure) > 0, message: m}]")
	named := ruleOf(t, "image", "kinds: [Pod]\nvalidations: [{expression: 'false', message: m}]")
	object := ruleOf(t, "object", "validations: [{expression: 'false', message: m}]")
	for id, r := range map[string]*Rule{"alone": alone, "pod": pod, "joined": joined, "named": named, "object": object} {
		r.ID, r.Field = id, "container.image"
		if id == "object" {
			r.Field = "object.metadata"
		}
	}
	w := imagesOf(t, map[string]string{"registry.example/web:1": "{user: root}", "registry.example/web:2": "{user: root}"})
	engine := NewEngine([]*Rule{alone, pod, joined, named, object}, Options{FactNames: []string{"exposure"}})
	var prints [2]model.Fingerprint
	for i, tag := range []string{"1", "2"} {
		var tally Tally
		out := engine.NewWorker(w).Evaluate(model.NewImageObject("registry.example/web", "registry.example/web:"+tag), &tally)
		if len(out) != 2 || out[0].Rule.ID != "alone" || out[1].Rule.ID != "pod" || out[0].Verdict != Fail || out[0].Finding.Path().String() != "image" || out[0].Finding.Subject != "" {
			t.Fatalf("outcomes %+v", out)
		}
		prints[i] = out[0].Finding.Fingerprint
	}
	if prints[0] != prints[1] {
		t.Error("a new tag changes the fingerprint")
	}
}
