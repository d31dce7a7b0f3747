package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

var podResource = resource{version: "v1", name: "pods", kind: "Pod", namespaced: true}

// makers are the resources of what makes pods, by their group and kind.
var makers = map[model.GroupKind]resource{
	{Kind: "ReplicationController"}:      {"", "v1", "replicationcontrollers", "ReplicationController", true},
	{Group: "apps", Kind: "ReplicaSet"}:  {"apps", "v1", "replicasets", "ReplicaSet", true},
	{Group: "apps", Kind: "Deployment"}:  {"apps", "v1", "deployments", "Deployment", true},
	{Group: "apps", Kind: "StatefulSet"}: {"apps", "v1", "statefulsets", "StatefulSet", true},
	{Group: "apps", Kind: "DaemonSet"}:   {"apps", "v1", "daemonsets", "DaemonSet", true},
	{Group: "batch", Kind: "Job"}:        {"batch", "v1", "jobs", "Job", true},
	{Group: "batch", Kind: "CronJob"}:    {"batch", "v1", "cronjobs", "CronJob", true},
}

// NodePods reads the pods of one node, and nothing else of the cluster.
func (c *Client) NodePods(ctx context.Context, node string) ([]*model.Object, error) {
	r := &reader{c: c, interner: tree.NewInterner()}
	query := url.Values{"fieldSelector": {"spec.nodeName=" + node}, "limit": {strconv.Itoa(pageSize)}}
	var a answer
	for {
		next, err := r.page(ctx, podResource, "", query, &a)
		switch {
		case err != nil:
			return nil, &UnreachableError{c.Name, fmt.Errorf("the pods of node %s cannot be read: %s", node, reason(err))}
		case next == "":
			return a.objects, nil
		case next == query.Get("continue"):
			return nil, &UnreachableError{c.Name, fmt.Errorf("%w: the same page comes again", errAnswer)}
		}
		query.Set("continue", next)
	}
}

// Maker reads the controller that an object says made it; nil when it says none that
// Kubernetes itself has.
func (c *Client) Maker(ctx context.Context, o *model.Object) (*model.Object, error) {
	refs := o.Root.Dig("metadata", "ownerReferences")
	for i := range refs.Children() {
		ref := refs.At(i)
		res, known := makers[model.GroupKind{Group: model.GroupOf(ref.Get("apiVersion").Str()), Kind: ref.Get("kind").Str()}]
		if !ref.Get("controller").True() || !known {
			continue
		}
		return c.one(ctx, res, o.Key.Namespace, ref.Get("name").Str())
	}
	return nil, nil
}

// one reads one object by its name.
func (c *Client) one(ctx context.Context, res resource, namespace, name string) (o *model.Object, err error) {
	err = c.get(ctx, res.path(namespace)+"/"+name, nil, asList, func(body io.Reader) error {
		var raw json.RawMessage
		if json.NewDecoder(io.LimitReader(body, maxObject)).Decode(&raw) != nil {
			return errAnswer
		}
		root, err := tree.FromJSON(raw, omittedOf(res))
		if err != nil {
			return errAnswer
		}
		o, err = newObject(root, res.apiVersion(), res.kind, model.Live{Cluster: c.Name, Resource: res.name, Interner: tree.NewInterner()})
		return err
	})
	if err != nil {
		return nil, &UnreachableError{c.Name, fmt.Errorf("%s %s/%s cannot be read: %s", res.kind, namespace, name, reason(err))}
	}
	return o, nil
}
