package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// openDocker finds an image in Docker's store: its own with overlay2, or that of
// the containerd that it runs with.
func openDocker(ctx context.Context, ref string, o Options) (*Source, error) {
	dir := o.Stores.Docker
	if dir == "" {
		dir = "/var/lib/docker"
	}
	source, err := openOverlay2(dir, ref, o)
	if err == nil {
		return source, nil
	}
	err = storeError("Docker", dir, "--docker-root", ref, err)
	roots := []string{filepath.Join(dir, "containerd", "daemon"), o.Stores.Containerd}
	if o.Stores.Containerd == "" && o.Stores.Docker == "" {
		roots[1] = "/var/lib/containerd"
	}
	for _, root := range roots {
		if _, missing := os.Lstat(filepath.Join(root, filepath.FromSlash(containerdMetadata))); root == "" || notThere(missing) {
			continue
		}
		if source, other := openContainerdAt(ctx, root, "moby", ref, o); other == nil {
			return source, nil
		} else if !errors.Is(other, os.ErrPermission) {
			err = fmt.Errorf("%w; %w", err, other)
		}
	}
	return nil, err
}

// overlay2 is what Docker's own store has of images, and of layers.
const (
	overlay2Images = "image/overlay2/imagedb/content/sha256"
	overlay2Layers = "image/overlay2/layerdb/sha256"
)

func openOverlay2(dir, ref string, o Options) (*Source, error) {
	files := dirFiles(dir)
	text, err := readFile(files, "image/overlay2/repositories.json")
	if err != nil {
		return nil, err
	}
	var list struct{ Repositories map[string]map[string]string }
	if err := decode(text, "repositories.json", &list); err != nil {
		return nil, err
	}
	id, err := chooseDocker(list.Repositories, ref)
	if err != nil {
		return nil, err
	}
	hex := strings.TrimPrefix(id, "sha256:")
	if !isHex(hex) {
		return nil, fmt.Errorf("repositories.json: %.80q is no digest", id)
	}
	config, err := readFile(files, overlay2Images+"/"+hex)
	if err != nil {
		return nil, fmt.Errorf("image %.12s: %w", hex, err)
	}
	s := &Source{}
	if s.Config = sha256Of(config); s.Config != "sha256:"+hex {
		return nil, fmt.Errorf("the configuration of image %.12s has the digest %s", hex, s.Config)
	}
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := decode(config, "image configuration", &c); err != nil {
		return nil, err
	}
	if len(c.RootFS.DiffIDs) > mostLayers {
		return nil, fmt.Errorf("%d layers, more than %d", len(c.RootFS.DiffIDs), mostLayers)
	}
	s.layers = make([]layerSource, len(c.RootFS.DiffIDs))
	if err := s.setConfig(config); err != nil {
		return nil, err
	}
	for i, chain := range s.chain() {
		if err := s.layers[i].overlay2(dir, strings.TrimPrefix(chain, "sha256:")); err != nil {
			s.layers[i].open = failing(err.Error())
		}
	}
	return s, s.checkPlatform(o.Platform)
}

// overlay2 finds the directory of a layer.
func (l *layerSource) overlay2(dir, chain string) error {
	if !isHex(chain) {
		return fmt.Errorf("%.80q is no digest", l.DiffID)
	}
	text, err := readFile(dirFiles(dir), overlay2Layers+"/"+chain+"/cache-id")
	if err != nil {
		return fmt.Errorf("not in Docker's store: %w", reason(err))
	}
	id := strings.TrimSpace(string(text))
	if id == "" || strings.ContainsAny(id, `/\`) || strings.HasPrefix(id, ".") {
		return fmt.Errorf("%.80q is no name of a layer", id)
	}
	l.walk = overlayLayer(filepath.Join(dir, "overlay2", id, "diff"))
	return nil
}

func isHex(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// chooseDocker finds the ID of an image by its name, its ID or the beginning of that.
func chooseDocker(repositories map[string]map[string]string, ref string) (string, error) {
	wanted := []string{ref, ref + ":latest"}
	if parsed, err := name.ParseReference(ref); err == nil {
		full := parsed.Name()
		short := strings.TrimPrefix(strings.TrimPrefix(full, name.DefaultRegistry+"/"), "library/")
		wanted = append(wanted, full, short)
	}
	prefix := strings.TrimPrefix(ref, "sha256:")
	var ids, known []string
	for _, tags := range repositories {
		for tag, id := range tags {
			known = append(known, tag)
			if slices.Contains(wanted, tag) {
				return id, nil
			}
			if len(prefix) >= 12 && strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), prefix) && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(known)
	switch len(ids) {
	case 0:
		return "", fmt.Errorf("no image is called %s in Docker's store; there is %s: write %s:%s for an image of a registry", ref, someNames(known), registry, ref)
	case 1:
		return ids[0], nil
	}
	return "", fmt.Errorf("%s is the beginning of several images", ref)
}
