package cli

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestNetCanOfUnread asks about ends that may be among what could not be listed.
func TestNetCanOfUnread(t *testing.T) {
	gap := func(gk model.GroupKind) []model.Gap {
		return []model.Gap{{Kind: gk, Reason: strings.ToLower(gk.Kind) + "s may not be listed"}}
	}
	for _, c := range []struct {
		ask  string
		gaps []model.Gap
		code int
		want string
	}{
		{"shop/db shop/web", gap(model.DeploymentKind), exitIncomplete, "shop/db was not read: deployments may not be listed"},
		{"shop/web deploy/shop/db:80", gap(model.DeploymentKind), exitIncomplete, "deploy/shop/db was not read: deployments may not be listed"},
		{"shop/web shop/db:80", gap(model.ServiceKind), exitIncomplete, "shop/db was not read: services may not be listed"},
		{"sts/shop/db shop/web", gap(model.DeploymentKind), exitUsage, "is not there"},
		{"shop/db shop/web", gap(model.ConfigMapKind), exitUsage, "is not there"},
	} {
		file := savedCluster(t, "v1.34.1", c.gaps, livePod("shop"))
		for _, verb := range []string{"can", "why"} {
			ask := strings.Fields(c.ask)
			if verb == "why" && !strings.Contains(ask[1], ":") {
				ask[1] += ":80"
			}
			for _, form := range []string{"text", "json"} {
				o := ullage(t, append([]string{"net", verb, "--from", file, "-o", form}, ask...)...)
				if o.code != c.code || !strings.Contains(strings.Join(strings.Fields(o.stdout+o.stderr), " "), c.want) {
					t.Errorf("%s %s -o %s without %v: exit code %d, want %d and %q\n%s%s", verb, ask, form, c.gaps, o.code, c.code, c.want, o.stdout, o.stderr)
				}
			}
		}
	}
}
