package manifest

import (
	"context"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Objects makes the objects of a text as [Load] does of a plain file with that
// name. What cannot be read is left out.
func Objects(ctx context.Context, f *tree.File, o Options) ([]*model.Object, error) {
	l, err := newLoader(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &result{}
	l.documents(r, f, nil, true)
	define(r.objects, o.Definitions)
	return r.objects, ctx.Err()
}
