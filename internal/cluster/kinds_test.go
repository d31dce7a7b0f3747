package cluster

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/policies"
)

// TestWhatIsAskedForIsRead holds the resources that are read against the kinds
// that the rules and the analyses are about.
func TestWhatIsAskedForIsRead(t *testing.T) {
	gone := map[string]bool{"extensions": true} // no server that is still kept serves it
	want := func(who string, gk model.GroupKind) {
		if !wants(gk.Group, policy.Resource(gk)) && !gone[gk.Group] && gk.Kind != "PodSecurityPolicy" {
			t.Errorf("%s asks for %s, which is not read", who, gk)
		}
	}
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		for _, gk := range r.Match.Kinds {
			want("rule "+r.ID, gk)
		}
	}
	for _, gk := range append(append(reach.PolicyKinds(), reach.EndpointKinds()...), model.WorkloadKinds()...) {
		want("the analysis", gk)
	}
	for _, pkg := range []string{"secrets", "storage"} {
		kinds := kindsIn(t, filepath.Join("..", pkg))
		if len(kinds) < 8 {
			t.Errorf("only the kinds %v in package %s: the test shows nothing", kinds, pkg)
		}
		for gk := range kinds {
			want("package "+pkg, gk)
		}
	}
	for group, kinds := range map[string]string{ // told by their group alone
		"external-secrets.io":   "PushSecret ClusterPushSecret SecretStore ClusterSecretStore",
		"secrets.hashicorp.com": "VaultAuth VaultConnection",
	} {
		for kind := range strings.FieldsSeq(kinds) {
			want("package secrets", model.GroupKind{Group: group, Kind: kind})
		}
	}
	if len(rules) < 100 || wants("", "events") || wants("apps", "none") {
		t.Error("the test shows nothing")
	}
}

var kindPattern = regexp.MustCompile(`^([A-Z][A-Za-z]+)\.([a-z0-9-]+\.[a-z0-9.-]+)$`)

// kindsIn returns the kinds that the source of a package names, as a GroupKind or
// as the text of one.
func kindsIn(t *testing.T, dir string) map[model.GroupKind]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[model.GroupKind]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "GroupKind" {
					if gk := groupKindOf(n); gk.Kind != "" {
						kinds[gk] = true
					}
				}
			case *ast.BasicLit:
				if m := kindPattern.FindStringSubmatch(literal(n)); m != nil {
					kinds[model.GroupKind{Group: m[2], Kind: m[1]}] = true
				}
			}
			return true
		})
	}
	return kinds
}

func groupKindOf(n *ast.CompositeLit) (gk model.GroupKind) {
	for _, e := range n.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		field, _ := pair.Key.(*ast.Ident)
		switch {
		case field == nil:
		case field.Name == "Group":
			gk.Group = literal(pair.Value)
		case field.Name == "Kind":
			gk.Kind = literal(pair.Value)
		}
	}
	return gk
}

// literal returns the text of a string literal, else "".
func literal(n ast.Expr) string {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return text
}
