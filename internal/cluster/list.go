package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// pageSize is how many objects are asked for at a time, as kubectl does.
const pageSize = 500

const (
	asList     = "application/json"
	asMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" // without an alternative: better an error than values
)

// list reads the objects of a resource page by page. When the server forgets
// what it began to list (410), the pages so far are dropped, as they belong to a
// state that is gone, and everything is read in one answer. On an error the
// objects of the pages before it are returned as well. That a custom resource is
// not found on the first page means that it was removed just now: there are none.
func (r *reader) list(ctx context.Context, res resource, namespace string) answer {
	var a answer
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	restarted := false
	for {
		next, err := r.page(ctx, res, namespace, query, &a)
		switch code := statusCode(err); {
		case code == http.StatusGone && !restarted:
			r.progress(-len(a.objects))
			a, query, restarted = answer{}, url.Values{}, true
			continue
		case code == http.StatusNotFound && !res.builtin() && !query.Has("continue"):
			return answer{}
		case err == nil && next != "" && next == query.Get("continue"):
			a.err = fmt.Errorf("%w: the same page comes again", errAnswer)
			return a
		case err != nil || next == "":
			a.err = err
			return a
		}
		query.Set("continue", next)
	}
}

// page reads one page and adds what is on it, all or nothing.
func (r *reader) page(ctx context.Context, res resource, namespace string, query url.Values, a *answer) (next string, err error) {
	accept, tries := asList, attempts
	if res.metadataOnly() {
		accept = asMetadata
	}
	if r.down.Load() {
		tries = 1
	}
	var got answer
	err = r.c.retry(ctx, tries, func(ctx context.Context) error {
		got = answer{}
		return r.c.get(ctx, res.path(namespace), query, accept, func(body io.Reader) error {
			p, err := readPage(body, func(p *page, raw json.RawMessage) error { return r.item(res, p, raw, &got) })
			if p != nil {
				next = p.Metadata.Continue
			}
			return err
		})
	})
	r.down.Store(err != nil && statusCode(err) == 0 && !errors.Is(err, errAnswer))
	if err != nil {
		return "", err
	}
	a.objects, a.problems = append(a.objects, got.objects...), append(a.problems, got.problems...)
	r.progress(len(got.objects))
	return next, nil
}

// item makes an object of an item of a list.
func (r *reader) item(res resource, p *page, raw json.RawMessage, a *answer) error {
	if res.metadataOnly() && p.Kind != "PartialObjectMetadataList" {
		return fmt.Errorf("%w: metadata was asked for, and the whole object came", errAnswer)
	}
	root, err := tree.FromJSON(raw, omittedOf(res))
	if err != nil {
		a.problems = append(a.problems, model.Problem{Reason: fmt.Sprintf("one of the %s could not be read: %s", res, err)})
		return nil
	}
	o, err := newObject(root, res.apiVersion(), res.kind, model.Live{Cluster: r.c.Name, Resource: res.name, Interner: r.interner})
	if err != nil {
		a.problems = append(a.problems, model.Problem{Reason: err.Error()})
		return nil
	}
	a.objects = append(a.objects, o)
	return nil
}

// newObject makes an object of a tree that says neither its type nor, if it is a
// Secret, what it holds.
func newObject(root *tree.Node, apiVersion, kind string, l model.Live) (*model.Object, error) {
	if !root.Is(tree.Map) {
		return nil, fmt.Errorf("one of the objects of kind %s is none", kind)
	}
	if root.Get("apiVersion") == nil {
		root.Add("apiVersion", tree.Of(apiVersion))
	}
	if root.Get("kind") == nil {
		root.Add("kind", tree.Of(kind))
	}
	if kind == "Secret" && apiVersion == "v1" {
		for _, field := range []string{"type", "data"} {
			root.Add(field, tree.UnknownBecause("only the metadata of Secrets is read"))
		}
	}
	o, err := model.NewLiveObject(root, l)
	if err == nil && o == nil {
		err = fmt.Errorf("one of the objects of kind %s is none", kind)
	}
	return o, err
}
