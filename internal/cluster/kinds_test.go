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
		if !wants(gk.Group, gk.Plural()) && !gone[gk.Group] && gk.Kind != "PodSecurityPolicy" {
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

// kindsIn returns the kinds that the source of a package names: as a GroupKind, as
// the text of one, or by a variable of package model.
func kindsIn(t *testing.T, dir string) map[model.GroupKind]bool {
	t.Helper()
	shared := kindVariables(t)
	kinds := map[model.GroupKind]bool{}
	for _, file := range sources(t, filepath.Join(dir, "*.go")) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if gk, ok := shared[n.Sel.Name]; ok {
					kinds[gk] = true
				}
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

// kindVariables returns the kinds that package model has variables for, by their
// names.
func kindVariables(t *testing.T) map[string]model.GroupKind {
	t.Helper()
	kinds := map[string]model.GroupKind{}
	for _, file := range sources(t, "../model/resource.go") {
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == 1 && len(v.Values) == 1 && strings.HasSuffix(v.Names[0].Name, "Kind") {
				if value, ok := v.Values[0].(*ast.CompositeLit); ok && len(value.Elts) == 2 {
					kinds[v.Names[0].Name] = model.GroupKind{Group: literal(value.Elts[0]), Kind: literal(value.Elts[1])}
				}
			}
			return true
		})
	}
	if kinds["SecretKind"] != model.SecretKind || kinds["StorageClassKind"] != model.StorageClassKind {
		t.Fatalf("the variables are read as %v", kinds)
	}
	return kinds
}

// sources parses the files that match, tests aside.
func sources(t *testing.T, pattern string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
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
		files = append(files, file)
	}
	return files
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
