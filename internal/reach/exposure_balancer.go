package reach

import (
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// balancerWay says who is in front of a load balancer.
func balancerWay(w Way) Way {
	spec := w.Service.Root.Get("spec")
	w.Via, w.Audience = ViaLoadBalancer, Internet
	ranges := spec.Get("loadBalancerSourceRanges")
	for i := range ranges.Children() {
		if p, err := netip.ParsePrefix(strings.TrimSpace(ranges.At(i).Str())); err == nil { // spaces are legal here
			w.Sources = append(w.Sources, p.Masked())
		}
	}
	if len(w.Sources) == 0 && strings.TrimSpace(w.Service.Root.Dig("metadata", "annotations", rangesAnnotation).Str()) != "" {
		w.Answer = min(w.Answer, Maybe)
		w.Why = append(w.Why, "an annotation limits who may come, which not every load balancer heeds")
	}
	if pending(w.Service) {
		w.Answer = min(w.Answer, Maybe)
		w.Why = append(w.Why, "the load balancer has no address yet, as the status says")
	}
	internal := internalByDefault(w.Service)
	switch {
	case internalBalancer(w.Service.Root.Get("metadata").Get("annotations")):
		w.Audience = Private
		w.Why = append(w.Why, "an annotation makes the load balancer internal")
	case internal != "":
		w.Audience = Private
		w.Why = append(w.Why, internal)
	case privateAddresses(w.Service.Root.Dig("status", "loadBalancer", "ingress"), "ip"):
		w.Audience = Private
		w.Why = append(w.Why, "the load balancer has private addresses only")
	case len(w.Sources) > 0 && !slices.ContainsFunc(w.Sources, isPublic):
		w.Audience = Private
		w.Why = append(w.Why, "the load balancer lets in private addresses only")
	default:
		return w
	}
	if len(w.Sources) == 0 && !pending(w.Service) && allocatesNodePorts(spec) { // with ranges they are a way of their own
		w.Audience = Nodes
		w.Why = append(w.Why, "its node ports are open on every node")
	}
	return w
}

// allocatesNodePorts reports whether a load balancer has node ports, which every
// node opens to everybody.
func allocatesNodePorts(spec *tree.Node) bool {
	return !spec.Get("allocateLoadBalancerNodePorts").False()
}

// rangesAnnotation is what spec.loadBalancerSourceRanges was before it was a field.
// Controllers of clouds read it still where the field is empty; kube-proxy does not.
const rangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges"

// internalAnnotations, with these values, make a load balancer that the internet
// does not reach.
var internalAnnotations = map[string][]string{
	"service.beta.kubernetes.io/aws-load-balancer-internal":          {"true", "0.0.0.0/0"},
	"service.beta.kubernetes.io/aws-load-balancer-scheme":            {"internal"},
	"networking.gke.io/load-balancer-type":                           {"Internal"},
	"cloud.google.com/load-balancer-type":                            {"Internal"},
	"service.beta.kubernetes.io/azure-load-balancer-internal":        {"true"},
	"service.beta.kubernetes.io/openstack-internal-load-balancer":    {"true"},
	"service.beta.kubernetes.io/oci-load-balancer-internal":          {"true"},
	"service.beta.kubernetes.io/do-loadbalancer-network":             {"INTERNAL"},
	"service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type": {"private"},
}

func internalBalancer(annotations *tree.Node) bool {
	for i := range annotations.Children() {
		if n := &annotations.Children()[i]; slices.Contains(internalAnnotations[n.Key()], n.Str()) {
			return true
		}
	}
	return false
}

// internalByDefault says why the load balancer of a Service is internal that nothing
// calls so, "" when it is not.
func internalByDefault(o *model.Object) string {
	const aws = "service.beta.kubernetes.io/aws-load-balancer-"
	class := o.Root.Dig("spec", "loadBalancerClass").Str()
	kind := o.Annotation(aws + "type")
	switch {
	case class == "tailscale":
		return "the load balancer is in a tailnet only"
	case class != "service.k8s.aws/nlb" && class != "eks.amazonaws.com/nlb" && kind != "external" && kind != "nlb-ip":
		return "" // not made by the AWS Load Balancer Controller
	case o.Annotation(aws+"scheme") == "" && o.Annotation(aws+"internal") == "":
		return "the load balancer is internal, as nothing sets its scheme"
	}
	return ""
}

// pending reports whether a Service of a cluster waits for its load balancer, which
// there may be nothing to make. In files a status says nothing.
func pending(o *model.Object) bool {
	status := o.Root.Dig("status", "loadBalancer")
	return status != nil && status.Get("ingress").Len() == 0 && o.Root.Dig("metadata", "uid").Str() != ""
}

// privateAddresses reports whether entries have addresses under a key, all of
// them private.
func privateAddresses(list *tree.Node, key string) bool {
	for i := range list.Children() {
		a, err := netip.ParseAddr(list.At(i).Get(key).Str())
		if err != nil || isPublic(netip.PrefixFrom(a, a.BitLen())) {
			return false
		}
	}
	return list.Len() > 0
}
