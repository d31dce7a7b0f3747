package image

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	reference "github.com/google/go-containerregistry/pkg/name"
)

// openArchive finds an image in a tar file: in place when it is plain and can be
// read at any position, else as it passes by.
func openArchive(ctx context.Context, path, name, form string, o Options) (*Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	source, err := openFile(ctx, file, name, form, o)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	source.closer = file
	return source, nil
}

func openFile(ctx context.Context, file *os.File, name, form string, o Options) (*Source, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var f files
	var head [4]byte
	n, _ := file.ReadAt(head[:], 0)
	if plain := !bytes.HasPrefix(head[:n], gzipMagic) && !bytes.HasPrefix(head[:n], zstdMagic); plain && info.Mode().IsRegular() {
		f, err = indexArchive(file, info.Size())
	} else {
		f, err = streamArchive(ctx, file, o)
	}
	if err != nil {
		return nil, err
	}
	layout, saved := f.has("index.json"), f.has("manifest.json")
	switch {
	case form != dockerArchive && layout:
		return openLayout(ctx, f, name, o)
	case form != ociArchive && saved:
		return openSaved(f, name, o)
	case form == "":
		return nil, errors.New("neither a Docker archive nor an OCI one: it has no manifest.json and no index.json")
	case form == ociArchive:
		return nil, errors.New("no OCI archive: it has no index.json")
	}
	return nil, errors.New("no Docker archive: it has no manifest.json")
}

// savedImage is one image in manifest.json of a Docker archive.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// openSaved finds an image in what docker save wrote.
func openSaved(f files, name string, o Options) (*Source, error) {
	text, err := readFile(f, "manifest.json")
	if err != nil {
		return nil, err
	}
	var images []savedImage
	if err := decode(text, "manifest.json", &images); err != nil {
		return nil, err
	}
	image, err := chooseSaved(images, name)
	if err != nil {
		return nil, err
	}
	if len(image.Layers) > mostLayers {
		return nil, fmt.Errorf("%d layers, more than %d", len(image.Layers), mostLayers)
	}
	config, err := readFile(f, path.Clean(image.Config))
	if err != nil {
		return nil, err
	}
	s := &Source{}
	s.Config = sha256Of(config)
	if len(image.RepoTags) > 0 {
		s.Name = FullName(cmp.Or(name, image.RepoTags[0]))
	}
	// The file is mostly called by its digest.
	if hex := strings.TrimSuffix(path.Base(image.Config), ".json"); len(hex) == 64 && "sha256:"+hex != s.Config {
		return nil, fmt.Errorf("%s has the digest %s", image.Config, s.Config)
	}
	for _, layer := range image.Layers {
		l := fileLayer(f, path.Clean(layer))
		if r, size, err := f.open(l.name); err == nil {
			l.Size = size
			_ = r.Close()
		}
		s.layers = append(s.layers, l)
	}
	if err := s.setConfig(config); err != nil {
		return nil, err
	}
	return s, s.checkPlatform(o.Platform)
}

// FullName gives the reference of a registry's image in full, "" for what is none.
func FullName(ref string) string {
	full, err := reference.ParseReference(ref)
	if err != nil {
		return ""
	}
	return full.Name()
}

func chooseSaved(images []savedImage, name string) (*savedImage, error) {
	var tags []string
	for i := range images {
		if name != "" && (slices.Contains(images[i].RepoTags, name) || slices.Contains(images[i].RepoTags, name+":latest")) {
			return &images[i], nil
		}
		tags = append(tags, images[i].RepoTags...)
	}
	switch {
	case len(images) == 0:
		return nil, errors.New("manifest.json lists no image")
	case name != "":
		return nil, fmt.Errorf("no image is called %s in it; there is %s", name, strings.Join(tags, ", "))
	case len(images) > 1:
		return nil, fmt.Errorf("there are several images in it: choose one by its name after a colon: %s", strings.Join(tags, ", "))
	}
	return &images[0], nil
}

// mostFiles bounds the files of an archive.
const mostFiles = 100_000

// archiveFiles are the files of a tar that is read in place.
type archiveFiles struct {
	file  *os.File
	where map[string]archived
}

// archived is where a file is, or what other file it is.
type archived struct {
	offset, size int64
	same         string
}

// indexArchive notes where files are, without reading them.
func indexArchive(file *os.File, size int64) (*archiveFiles, error) {
	section := io.NewSectionReader(file, 0, size)
	s := newStream(section)
	s.seek = section
	t := newTarReader(s)
	a := &archiveFiles{file: file, where: map[string]archived{}}
	for {
		h, err := t.next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil && len(a.where) > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("the archive is truncated: %w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("not a tar archive, or a damaged one: %w", err)
		}
		if len(a.where) >= mostFiles {
			return nil, fmt.Errorf("more than %d files in the archive", mostFiles)
		}
		clean, _ := cleanPath(nil, h.Name)
		switch name := string(clean); {
		case len(name) > DefaultLimits.Path:
		case h.Type == typeFile && !h.Sparse:
			a.where[name] = archived{offset: t.at, size: h.Size}
		case h.Type == typeSymlink:
			a.where[name] = archived{same: path.Join(path.Dir(name), string(h.Link))}
		case h.Type == typeHardLink:
			a.where[name] = archived{same: path.Clean(string(h.Link))}
		}
	}
}

// find follows what docker save writes for a layer that two images share.
func (a *archiveFiles) find(name string) (archived, bool) {
	for range mostLinks {
		f, ok := a.where[name]
		if !ok || f.same == "" {
			return f, ok
		}
		name = f.same
	}
	return archived{}, false
}

func (a *archiveFiles) has(name string) bool {
	_, ok := a.find(name)
	return ok
}

func (a *archiveFiles) open(name string) (io.ReadCloser, int64, error) {
	f, ok := a.find(name)
	if !ok {
		return nil, 0, fmt.Errorf("%s is not in the archive: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(io.NewSectionReader(a.file, f.offset, f.size)), f.size, nil
}

func (a *archiveFiles) stamp(string) stamp {
	info, err := a.file.Stat()
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}

func (a *archiveFiles) layer(string) *layerRead { return nil }

// streamedFiles are those of an archive that passed by: documents whole, layers
// already read.
type streamedFiles struct {
	documents map[string][]byte
	layers    map[string]*layerRead
	same      map[string]string
}

// mostDocuments bounds the documents of such an archive together, in bytes.
const mostDocuments = 32 << 20

// streamArchive reads all that looks like a layer, for which of them belong to
// the image may only be said at the end.
func streamArchive(ctx context.Context, file io.Reader, o Options) (*streamedFiles, error) {
	limits := o.limits()
	counted := &countingReader{ctx: ctx, r: file}
	raw, done, err := decompress(counted)
	if err != nil {
		return nil, err
	}
	defer done()
	t := newTarReader(newStream(raw))
	t.grown = limits.leave(counted)
	f := &streamedFiles{documents: map[string][]byte{}, layers: map[string]*layerRead{}, same: map[string]string{}}
	pass := &layerPass{interests: newInterests(wanted()), limits: limits, budget: newBudget(limits.Kept), secrets: o.Secrets}
	pass.budget.end() // one layer after the other: nobody may wait
	room := mostDocuments
	for count := 0; ; count++ {
		h, err := t.next()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, fmt.Errorf("not a tar archive, or a damaged one: %w", err)
		}
		if count >= mostFiles {
			return nil, fmt.Errorf("more than %d files in the archive", mostFiles)
		}
		clean, _ := cleanPath(nil, h.Name)
		name := string(clean)
		switch head := t.begin(tarBlock); {
		case h.Type == typeSymlink:
			f.same[name] = path.Join(path.Dir(name), string(h.Link))
		case h.Type == typeHardLink:
			f.same[name] = path.Clean(string(h.Link))
		case h.Type != typeFile || h.Sparse || len(head) == 0:
		case isLayer(head):
			if err := f.readLayer(ctx, pass, name, t, o); err != nil {
				return nil, err
			}
		case (head[0] == '{' || head[0] == '[') && h.Size <= int64(room):
			text := make([]byte, h.Size)
			if err := t.contents(text); err != nil {
				return nil, err
			}
			room -= len(text)
			f.documents[name] = text
		}
	}
}

// isLayer reports whether a file begins as a layer does.
func isLayer(head []byte) bool {
	return bytes.HasPrefix(head, gzipMagic) || bytes.HasPrefix(head, zstdMagic) ||
		len(head) == tarBlock && (isZero(head) || checkSum(head) == nil)
}

func (f *streamedFiles) readLayer(ctx context.Context, pass *layerPass, name string, t *tarReader, o Options) error {
	_, digest := digestName(name)
	read, err := pass.read(ctx, 0, &entryReader{t}, digests{blob: digest, raw: !digest || o.DiffIDs})
	if err != nil {
		return err
	}
	read.cannotRepeat()
	pass.limits.Kept -= read.kept
	pass.limits.Entries -= read.tree.count
	f.layers[name] = read
	return nil
}

// digestName returns the digest that a file of a layout is called by.
func digestName(name string) (digest string, ok bool) {
	hex, ok := strings.CutPrefix(name, "blobs/sha256/")
	return "sha256:" + hex, ok && len(hex) == 64
}

// entryReader reads the data of a tar's entry.
type entryReader struct{ t *tarReader }

func (e *entryReader) Read(p []byte) (int, error) {
	if e.t.left == 0 {
		return 0, io.EOF
	}
	if _, err := e.t.peek(1); err != nil {
		return 0, unexpected(err)
	}
	n := int(min(int64(len(p)), e.t.left, int64(e.t.end-e.t.start)))
	return n, e.t.data(p[:n])
}

func (f *streamedFiles) find(name string) string {
	for range mostLinks {
		same, ok := f.same[name]
		if !ok {
			break
		}
		name = same
	}
	return name
}

func (f *streamedFiles) has(name string) bool {
	name = f.find(name)
	return f.documents[name] != nil || f.layers[name] != nil
}

func (f *streamedFiles) open(name string) (io.ReadCloser, int64, error) {
	text, ok := f.documents[f.find(name)]
	if !ok {
		return nil, 0, fmt.Errorf("%s is not in the archive: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(text)), int64(len(text)), nil
}

func (f *streamedFiles) stamp(string) stamp { return stamp{} }

func (f *streamedFiles) layer(name string) *layerRead { return f.layers[f.find(name)] }
