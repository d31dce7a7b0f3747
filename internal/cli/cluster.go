package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/cluster"
)

func clusterCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "What --cluster needs",
		Long: `With --cluster, check, net, access, storage, secrets, attack-paths and platform
read the cluster of the kubeconfig (--kubeconfig, --context) instead of files. They list
objects and change nothing; of Secrets they read the metadata only. What may not
be listed is unknown in the answers, and is named.

--save FILE keeps what was read, without secret values, and --from FILE answers
from it, elsewhere and later.`,
		Example: `  ullage cluster rbac | kubectl apply -f -
  ullage check --cluster --save cluster.ullage
  ullage access dangers --from cluster.ullage`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(clusterRBACCommand(p))
	return cmd
}

// knownCommand refuses a subcommand that there is not: without it that is no
// error.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	near := cmd.SuggestionsFor(args[0])
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(editDistance(args[0], a), editDistance(args[0], b)) })
	if len(near) == 0 {
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				near = append(near, sub.Name())
			}
		}
	}
	return fmt.Errorf("unknown command %q for %q: there is %s", args[0], cmd.CommandPath(), strings.Join(near, ", "))
}

// roleName is what the API server takes as the name of a ClusterRole, as far as
// people use it.
var roleName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$`)

func clusterRBACCommand(p *Program) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Print the least ClusterRole that --cluster needs",
		Long: `Print a ClusterRole with the rights that --cluster uses: to list, and nothing
else. What it may not list is unknown in the report, and named there once.
Rules of your own about other kinds need the right to list these as well.`,
		Example: `  ullage cluster rbac | kubectl apply -f -
  kubectl create clusterrolebinding ullage-reader --clusterrole=ullage-reader --user=NAME`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !roleName.MatchString(name) {
				return fmt.Errorf("--name %q is no name of a ClusterRole", name)
			}
			return cluster.WriteRole(p.Stdout, name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "ullage-reader", "name of the role")
	return cmd
}
