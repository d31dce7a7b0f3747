package policy

import (
	"context"
	"errors"

	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/library"

	"ullage.dev/ullage/internal/tree"
)

// Authority answers whether somebody may make a request; known is false where it cannot
// tell.
type Authority func(authorizer.Attributes) (allowed, known bool)

// Admit says by which admission request the objects come that are judged from now on.
// What of it is not known is unknown in the node, which is sealed; nil is no request. The
// authority says what its sender may do, or is nil where that is not known: it must
// always answer the same for one sender.
func (w *Worker) Admit(request *tree.Node, authority Authority) {
	w.request, w.authority = request, authority
}

// asker asks an authority on behalf of an expression.
type asker struct{ *frame }

var errNotKnown = errors.New("not known")

// Authorize implements authorizer.Authorizer. An expression that asked what is not known
// is unknown, whatever it makes of the answer.
func (a asker) Authorize(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	allowed, known := a.authority(attributes)
	switch {
	case !known:
		a.doubted = true
		return authorizer.DecisionNoOpinion, "", errNotKnown
	case allowed:
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// authorizer is the variable of that name, or that of the resource of the request.
func (f *frame) authorizer(ofRequest bool) ref.Val {
	switch {
	case f.request == nil:
		return unknownBecause(noRequest)
	case f.authority == nil:
		return unknownBecause(rightsUnknown)
	}
	sender := &user.DefaultInfo{Name: f.request.Dig("userInfo", "username").Str()}
	if ofRequest {
		return library.NewResourceAuthorizerVal(sender, asker{f}, requested{f})
	}
	return library.NewAuthorizerVal(sender, asker{f})
}

const rightsUnknown = "what the sender of the request may do is not known"

// requested is the resource of the request.
type requested struct{ *frame }

func (r requested) GetName() string        { return r.request.Get("name").Str() }
func (r requested) GetNamespace() string   { return r.request.Get("namespace").Str() }
func (r requested) GetSubresource() string { return r.request.Get("subResource").Str() }
func (r requested) GetResource() schema.GroupVersionResource {
	n := r.request.Get("resource")
	return schema.GroupVersionResource{Group: n.Get("group").Str(), Version: n.Get("version").Str(), Resource: n.Get("resource").Str()}
}
