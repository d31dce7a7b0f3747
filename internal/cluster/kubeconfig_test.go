package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConnectSaysWhatIsWrongWithTheKubeconfig(t *testing.T) {
	const clusters = "apiVersion: v1\nkind: Config\nclusters: [{name: dev, cluster: {server: \"https://127.0.0.1:1\"}}]\n"
	const context = "contexts: [{name: dev, context: {cluster: dev, user: me}}, {name: prod, context: {cluster: gone, user: me}}, {name: anon, context: {cluster: dev, user: gone}}]\n"
	user := func(exec string) string {
		return "users: [{name: me, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, " + exec + "}}}]\n"
	}
	for _, c := range []struct{ text, context, want string }{
		{clusters + context, "nosuch", `there is no context "nosuch"; there are anon, dev, prod`},
		{clusters + context, "", "it names no current context: choose one with --context: anon, dev, prod"},
		{clusters + context, "prod", `context prod names the cluster "gone", which is not there`},
		{clusters + context, "anon", `context anon names the user "gone", which is not there`},
		{clusters + context + user("command: no-such-plugin, installHint: \"see\\n the wiki\""), "dev", "cluster dev: the credential plugin no-such-plugin, which the kubeconfig names, is not installed: see the wiki"},
		{clusters + context + user("command: \"false\""), "dev", "cluster dev: the credential plugin of the kubeconfig gives no credentials: executable false failed with exit code 1; try it by hand"},
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Connect(t.Context(), file, c.context, "test"); err == nil || !strings.HasSuffix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("context %q: %v, want %s", c.context, err, c.want)
		}
	}
}
