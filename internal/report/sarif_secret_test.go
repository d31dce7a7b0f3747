package report

import (
	"encoding/json"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
)

// TestImageSARIFSecrets checks that each place of a secret is a result with its
// line, that doubt makes a note of it, and that lines do not change fingerprints.
func TestImageSARIFSecrets(t *testing.T) {
	img := &image.Image{
		Reference: "registry.example/web:1", Identity: image.Identity{Repository: "registry.example/web"},
		Layers: []image.Layer{{DiffID: "sha256:aa"}, {DiffID: "sha256:bb"}}, Search: image.SecretSearch{Done: true},
		Secrets: []image.Secret{
			{Kind: "GitHub token", Severity: model.Critical, Path: "/root/.netrc", Line: 2, Shown: "ghp_…", Gone: 1},
			{Kind: "GitHub token", Severity: model.Critical, Path: "/root/.netrc", Line: 9, Shown: "ghp_…", Gone: -1},
			{Kind: "private key", Severity: model.High, Path: "/usr/share/tests/key.pem", Line: 1, Layer: 1, Gone: -1, Doubt: "it lies among tests"},
			{Kind: "named credential", Severity: model.Medium, Where: "environment variable TOKEN", Layer: -1, Gone: -1},
		},
	}
	run := imageLog(t, img, nil).Runs[0]
	for _, rule := range run.Tool.Driver.Rules {
		checkSARIFRule(t, rule)
	}
	if len(run.Tool.Driver.Rules) != 3 || len(run.Results) != 4 {
		t.Fatalf("%d rules, %d results", len(run.Tool.Driver.Rules), len(run.Results))
	}
	prints := map[string]bool{}
	for i, want := range [][]string{
		{`"uri":"root/.netrc"`, `"startLine":2`, `"level":"error"`, `"layer":"sha256:aa"`, `"removedBy":"sha256:bb"`},
		{`"startLine":9`, `"level":"error"`},
		{`"level":"note"`, "In doubt: it lies among tests", `"layer":"sha256:bb"`},
		{"environment variable TOKEN", `"level":"warning"`},
	} {
		text, err := json.Marshal(run.Results[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !strings.Contains(string(text), part) {
				t.Errorf("result %d lacks %s: %s", i, part, text)
			}
		}
		prints[fingerprint(run.Results[i])] = true
	}
	if len(prints) != 4 {
		t.Errorf("%d fingerprints for 4 places", len(prints))
	}
	img.Reference, img.Secrets[0].Line, img.Secrets[1].Line = "registry.example/web:2", 3, 10
	for _, r := range imageLog(t, img, nil).Runs[0].Results {
		if !prints[fingerprint(r)] {
			t.Errorf("%v has another fingerprint", r["ruleId"])
		}
	}
}

func fingerprint(result map[string]any) string {
	return result["partialFingerprints"].(map[string]any)["ullage/v1"].(string)
}
