package cluster

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

// validate says what is missing of a context, and what there is. A kubeconfig in
// which there is nothing is in order: within a cluster none is needed.
func validate(raw *api.Config, name string) error {
	if len(raw.Contexts) == 0 {
		return nil
	}
	there := strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", ")
	if name == "" {
		return fmt.Errorf("it names no current context: choose one with --context: %s", there)
	}
	of := raw.Contexts[name]
	switch {
	case of == nil:
		return fmt.Errorf("there is no context %q; there are %s", name, there)
	case raw.Clusters[of.Cluster] == nil:
		return fmt.Errorf("context %s names the cluster %q, which is not there", name, of.Cluster)
	case of.AuthInfo != "" && raw.AuthInfos[of.AuthInfo] == nil:
		return fmt.Errorf("context %s names the user %q, which is not there", name, of.AuthInfo)
	}
	return nil
}

// explained says of credentials that are of no use what to do about them.
func explained(config *rest.Config, err error) error {
	plugin := config.ExecProvider
	switch text := err.Error(); {
	case statusCode(err) == http.StatusUnauthorized:
		return fmt.Errorf("%w: the credentials of the kubeconfig are refused; log in again, or choose another context", err)
	case plugin == nil || !strings.Contains(text, "exec: "):
		return err
	case strings.Contains(text, "not found"):
		why := fmt.Sprintf("the credential plugin %s, which the kubeconfig names, is not installed", plugin.Command)
		if hint := strings.Join(strings.Fields(plugin.InstallHint), " "); hint != "" {
			why += ": " + hint
		}
		return errors.New(why)
	default:
		first, _, _ := strings.Cut(text[strings.Index(text, "exec: ")+len("exec: "):], "\n")
		return fmt.Errorf("the credential plugin of the kubeconfig gives no credentials: %s; try it by hand", first)
	}
}
