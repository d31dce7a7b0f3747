package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Stores are the images that container runtimes have on this machine.
type Stores struct {
	Containerd string // directory of containerd; "" is /var/lib/containerd
	Docker     string // directory of Docker; "" is /var/lib/docker
	// Namespace of containerd: k8s.io for the kubelet's images, moby for Docker's.
	// "" looks in all.
	Namespace string
}

const (
	containerdMetadata = "io.containerd.metadata.v1.bolt/meta.db"
	containerdContent  = "io.containerd.content.v1.content"
	overlaySnapshots   = "io.containerd.snapshotter.v1.overlayfs"
)

// openContainerd finds an image in containerd's store. Layers are read where they
// are unpacked; those that are not, as they were pulled.
func openContainerd(ctx context.Context, ref string, o Options) (*Source, error) {
	dir := o.Stores.Containerd
	if dir == "" {
		dir = "/var/lib/containerd"
	}
	return openContainerdAt(ctx, dir, o.Stores.Namespace, ref, o)
}

func openContainerdAt(ctx context.Context, dir, namespace, ref string, o Options) (*Source, error) {
	var found containerdImage
	err := readBolt(filepath.Join(dir, filepath.FromSlash(containerdMetadata)), func(b *boltFile) (err error) {
		found, err = findContainerd(b, namespace, ref)
		return err
	})
	if err != nil {
		return nil, storeError("containerd", dir, "--containerd-root", ref, err)
	}
	s, err := resolve(ctx, layoutBlobs{dirFiles(filepath.Join(dir, containerdContent))}, found.target, o)
	if err != nil {
		return nil, err
	}
	s.beside = nil // signatures are not pulled
	snapshots := filepath.Join(dir, overlaySnapshots)
	unpacked, err := found.unpacked(dir, s.chain())
	if err != nil && !notThere(err) {
		return nil, storeError("containerd", dir, "--containerd-root", ref, err)
	}
	for i := range s.layers {
		l := &s.layers[i]
		if id := unpacked[i]; id != "" {
			l.walk = overlayLayer(filepath.Join(snapshots, "snapshots", id, "fs"))
			l.name = ""
		} else if !(dirFiles(filepath.Join(dir, containerdContent))).has("blobs/" + strings.Replace(l.Blob, ":", "/", 1)) {
			l.open = failing("neither unpacked by the overlayfs snapshotter nor kept as it was pulled")
		}
	}
	return s, nil
}

// chain returns the name of each layer together with those below it, as runtimes
// call it.
func (s *Source) chain() []string {
	ids := make([]string, len(s.layers))
	for i := range s.layers {
		ids[i] = s.layers[i].DiffID
		if i > 0 {
			ids[i] = sha256Of([]byte(ids[i-1] + " " + ids[i]))
		}
	}
	return ids
}

// storeError says what to do when a store cannot be read.
func storeError(store, dir, flag, ref string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the store of %s may be read by root only (%w): run as root, or save the image to a file and read that", store, err)
	case notThere(err):
		return fmt.Errorf("there is no store of %s in %s: name its directory by %s, or write %s:%s for an image of a registry", store, dir, flag, registry, ref)
	}
	return err
}

// containerdImage is an image as containerd knows it.
type containerdImage struct {
	namespace string
	target    v1.Descriptor
	snapshots map[string]string // names of the snapshotter's own, by chain
}

// findContainerd finds an image by its name, as it was pulled or as people write
// it, or by the digest that its name leads to.
func findContainerd(b *boltFile, namespace, ref string) (containerdImage, error) {
	var found containerdImage
	top, err := b.bucket("v1")
	if err != nil {
		return found, err
	}
	wanted := []string{ref}
	if parsed, err := name.ParseReference(ref); err == nil {
		wanted = append(wanted, parsed.Name(), strings.Replace(parsed.Name(), name.DefaultRegistry+"/", "docker.io/", 1))
	}
	var known, where []string
	var failed error
	err = top.each(func(space string, value []byte, nested bool) bool {
		if !nested || namespace != "" && namespace != space {
			return true
		}
		table, err := top.nested(value)
		if err == nil {
			table, err = table.bucket("images")
		}
		if errors.Is(err, errNoBolt) {
			return true
		}
		if err == nil {
			err = table.each(func(image string, value []byte, _ bool) bool {
				known = append(known, image)
				d, err := containerdTarget(table, value)
				if failed = err; err != nil {
					return false
				}
				if slices.Contains(wanted, image) || d.Digest.String() == ref {
					if !slices.Contains(where, space) {
						where = append(where, space)
					}
					found.target, found.namespace = d, space
				}
				return true
			})
		}
		failed = errors.Join(failed, err)
		return failed == nil
	})
	switch {
	case err != nil || failed != nil:
		return found, errors.Join(err, failed)
	case len(where) > 1 && namespace == "":
		return found, fmt.Errorf("it is in several namespaces: choose by --namespace: %s", strings.Join(where, ", "))
	case len(where) == 0:
		return found, fmt.Errorf("no image is called %s in containerd's store; there is %s: write %s:%s for an image of a registry", ref, someNames(known), registry, ref)
	}
	found.snapshots, err = containerdSnapshots(b, found.namespace)
	return found, err
}

// someNames lists names, not all of very many.
func someNames(all []string) string {
	const most = 10
	all = slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, "sha256:") })
	switch {
	case len(all) == 0:
		return "none"
	case len(all) > most:
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}

func containerdTarget(table boltBucket, value []byte) (v1.Descriptor, error) {
	var d v1.Descriptor
	image, err := table.nested(value)
	if err != nil {
		return d, err
	}
	target, err := image.bucket("target")
	if err != nil {
		return d, err
	}
	digest, err := target.text("digest")
	if err != nil {
		return d, err
	}
	kind, err := target.text("mediatype")
	if err != nil {
		return d, err
	}
	d.MediaType = types.MediaType(kind)
	d.Digest, err = v1.NewHash(digest)
	return d, err
}

// containerdSnapshots are the names of the overlayfs snapshotter by those that the
// namespace has for them.
func containerdSnapshots(b *boltFile, namespace string) (map[string]string, error) {
	names := map[string]string{}
	table, err := b.bucket("v1", namespace, "snapshots", "overlayfs")
	if errors.Is(err, errNoBolt) {
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	var failed error
	err = table.each(func(key string, value []byte, nested bool) bool {
		if !nested || !strings.HasPrefix(key, "sha256:") {
			return true
		}
		snapshot, err := table.nested(value)
		if err == nil {
			names[key], err = snapshot.text("name")
		}
		failed = err
		return failed == nil
	})
	return names, errors.Join(err, failed)
}

// committed marks a snapshot that does not change any more.
const committed = 3

// unpacked returns the directory of each layer among the snapshots, "" for one that
// is not unpacked.
func (c *containerdImage) unpacked(dir string, chain []string) ([]string, error) {
	ids := make([]string, len(chain))
	if len(c.snapshots) == 0 {
		return ids, nil
	}
	return ids, readBolt(filepath.Join(dir, overlaySnapshots, "metadata.db"), func(b *boltFile) error {
		table, err := b.bucket("v1", "snapshots")
		if err != nil {
			return err
		}
		for i, key := range chain {
			ids[i] = ""
			snapshot, err := table.bucket(c.snapshots[key])
			if errors.Is(err, errNoBolt) {
				continue
			}
			if err != nil {
				return err
			}
			id, err := snapshot.text("id")
			if err != nil {
				return err
			}
			kind, err := snapshot.text("kind")
			if err != nil {
				return err
			}
			if number, n := binary.Uvarint([]byte(id)); n > 0 && kind == string([]byte{committed}) {
				ids[i] = fmt.Sprint(number)
			}
		}
		return nil
	})
}
