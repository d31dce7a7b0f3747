package check

import (
	"fmt"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

// exampleImages completes what an example says about the image of its containers:
// what it leaves out is as of an image in which there is nothing. Facts that there
// are none of, and those of another type, are errors. {unknown: WHY} stands for
// what is not known.
func exampleImages(w policy.World) (map[string]*tree.Node, error) {
	if w.Image == nil {
		return nil, nil
	}
	facts, err := completed(w.Image, sampleImage())
	if err != nil {
		return nil, err
	}
	facts.Seal()
	images := map[string]*tree.Node{}
	for reference := range References(w.Objects) {
		images[reference] = &facts
	}
	return images, nil
}

// completed returns a stated value with what a value like it has and it does not
// say.
func completed(given, like *tree.Node) (tree.Node, error) {
	if given.Is(tree.Map) && given.Len() == 1 && given.Get("unknown").Is(tree.String) {
		return tree.UnknownBecause(given.Get("unknown").Str()), nil
	}
	number := func(n *tree.Node) bool { return n.Is(tree.Int) || n.Is(tree.Float) }
	if given.Kind() != like.Kind() && !(number(given) && number(like)) && !like.Is(tree.Unknown) {
		return tree.Node{}, fmt.Errorf("%s is %s, not %s", given.Key(), given.Kind().Noun(), like.Kind().Noun())
	}
	switch given.Kind() {
	case tree.Map:
		return completedMap(given, like)
	case tree.List:
		var items []tree.Node
		for i := range given.Children() {
			item, err := completed(given.At(i), like.At(0))
			if err != nil {
				return item, err
			}
			items = append(items, item)
		}
		return tree.Of(items), nil
	}
	return *given, nil
}

func completedMap(given, like *tree.Node) (tree.Node, error) {
	out := tree.MapOf()
	for i := range like.Children() {
		l := &like.Children()[i]
		g := given.Get(l.Key())
		if g == nil {
			out.Add(l.Key(), nothing(l))
			continue
		}
		n, err := completed(g, l)
		if err != nil {
			return out, err
		}
		out.Add(l.Key(), n)
	}
	for i := range given.Children() {
		if g := &given.Children()[i]; like.Len() == 0 {
			out.Add(g.Key(), *g) // names that are the image's own
		} else if like.Get(g.Key()) == nil {
			return out, fmt.Errorf("there is no fact %s", g.Key())
		}
	}
	return out, nil
}

// nothing returns the value of a fact about an image in which there is nothing.
func nothing(like *tree.Node) tree.Node {
	switch like.Kind() {
	case tree.Map:
		out := tree.MapOf()
		for i := range like.Children() {
			out.Add(like.Children()[i].Key(), nothing(&like.Children()[i]))
		}
		return out
	case tree.List:
		return tree.Of([]tree.Node{})
	case tree.Bool:
		return tree.Of(like.Key() == "supported" || like.Key() == "complete")
	case tree.Int, tree.Float:
		return tree.Of(0)
	}
	return tree.Of("")
}

// sampleImage returns the facts about an image that has one of each.
func sampleImage() *tree.Node {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return ImageFacts(ImageInput{
		Image: &image.Image{
			Identity: image.Identity{Platform: "linux/amd64", Config: "sha256:0"},
			Config: image.Config{
				Created: at, Entrypoint: []string{"/bin/x"}, Command: []string{"x"}, Env: []image.Variable{{Name: "X"}}, Ports: []string{"1/tcp"},
				Volumes: []string{"/x"}, Health: []string{"CMD"}, History: []image.Step{{}},
			},
			Secrets:  []image.Secret{{Where: "history", Kind: "token"}, {Path: "/x", Gone: -1}},
			Search:   image.SecretSearch{Done: true},
			Layers:   make([]image.Layer, 1),
			Base:     image.Base{Layers: 1},
			Distro:   image.Distro{ID: rolling[0]},
			Packages: make([]image.Package, 1),
			Programs: []image.Program{{Path: "/bin/x", Class: image.Shell}},
			Writable: make([]image.Writable, 1),
		},
		Vulnerabilities: &vuln.Result{Matches: []vuln.Match{{Published: at.Unix(), Exploited: &vuln.Exploited{}, EPSS: &vuln.EPSS{Probability: 0.5}}}, NoData: []string{"x"}},
		Signatures:      signature.Result{State: signature.Verified, Signatures: make([]signature.Signature, 1)},
		Feeds:           []advisory.Provenance{{Feed: "x", Fetched: at}},
		Now:             at,
	})
}
