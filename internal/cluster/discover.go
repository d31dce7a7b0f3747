package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"ullage.dev/ullage/internal/model"
)

// resource is a type of objects that the server can list.
type resource struct {
	group, version, name string
	kind                 string
	namespaced           bool
}

func (r resource) groupKind() model.GroupKind {
	return model.GroupKind{Group: r.group, Kind: r.kind}
}

func (r resource) apiVersion() string {
	return schema.GroupVersion{Group: r.group, Version: r.version}.String()
}

// String writes the resource as kubectl and RBAC do: name.group.
func (r resource) String() string {
	return schema.GroupResource{Group: r.group, Resource: r.name}.String()
}

func (r resource) builtin() bool { return r.groupKind().Builtin() }

// metadataOnly says that values of the resource are never read.
func (r resource) metadataOnly() bool { return r.group == "" && r.name == "secrets" }

// path is where the resource is listed: everywhere, or in one namespace.
func (r resource) path(namespace string) string {
	p := "/apis/" + r.apiVersion()
	if r.group == "" {
		p = "/api/" + r.version
	}
	if namespace != "" {
		p += "/namespaces/" + namespace
	}
	return p + "/" + r.name
}

// served is what a server can list.
type served struct {
	wanted []resource // in order
	others []resource // what is not read, in order
	failed []string   // groups of which the server does not know what they serve, in order
}

// asStatus gives an answer that client-go has read the form of our own.
func asStatus(err error) error {
	var api apierrors.APIStatus
	if errors.As(err, &api) {
		return &statusError{code: int(api.Status().Code), short: string(api.Status().Reason)}
	}
	return err
}

// discover asks what the server serves, in the versions that it prefers.
func (c *Client) discover(ctx context.Context, more func(model.GroupKind, string) bool) (*served, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(c.config, c.http)
	if err != nil {
		return nil, err
	}
	s := &served{}
	err = c.retry(ctx, attempts, func(ctx context.Context) error {
		s.failed = nil
		lists, err := d.ServerPreferredResourcesWithContext(ctx)
		failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
		if err != nil && !partly {
			return asStatus(err)
		}
		for gv := range failed {
			s.failed = append(s.failed, gv.Group)
		}
		s.wanted, s.others = nil, nil
		for _, list := range lists {
			gv, err := schema.ParseGroupVersion(list.GroupVersion)
			if err != nil {
				continue
			}
			for _, r := range list.APIResources {
				if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") {
					continue
				}
				found := resource{gv.Group, gv.Version, r.Name, r.Kind, r.Namespaced}
				if wants(gv.Group, r.Name) || more != nil && more(found.groupKind(), found.name) {
					s.wanted = append(s.wanted, found)
				} else {
					s.others = append(s.others, found)
				}
			}
		}
		return nil
	})
	slices.Sort(s.failed)
	s.failed = slices.Compact(s.failed)
	for _, list := range [][]resource{s.wanted, s.others} {
		slices.SortFunc(list, func(a, b resource) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.name, b.name)) })
	}
	return s, err
}
