package cluster

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// A saved cluster is JSON, one value a line, compressed by gzip: a header, the
// objects, a footer. Secret values were taken out before. The footer tells a
// whole file from one that was cut off between two lines.

const (
	fileFormat  = "ullage cluster snapshot"
	fileVersion = 1
)

type fileHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Cluster string    `json:"cluster"`
	Server  string    `json:"server"`
	Time    time.Time `json:"time"`
}

type fileLine struct {
	Object      json.RawMessage  `json:"object,omitempty"`
	Resource    string           `json:"resource,omitempty"` // plural of a custom kind
	Credentials []fileCredential `json:"credentials,omitempty"`
	End         *fileFooter      `json:"end,omitempty"`
}

// fileCredential is a place that held a secret value.
type fileCredential struct {
	Path []any  `json:"path"` // keys and indexes
	Type string `json:"type"`
}

type fileFooter struct {
	Objects   int                   `json:"objects"`
	Gaps      []fileGap             `json:"gaps,omitempty"`
	Problems  []fileProblem         `json:"problems,omitempty"`
	Resources []model.ResourceCount `json:"resources,omitempty"`
}

type fileGap struct {
	Group  string   `json:"group"`
	Kind   string   `json:"kind,omitempty"`
	Plural string   `json:"resource,omitempty"`
	Except []string `json:"except,omitempty"`
	Reason string   `json:"reason"`
	Told   bool     `json:"told,omitempty"`
}

type fileProblem struct {
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

// Save writes what was read, without secret values, so that [Load] gives it back.
func Save(w io.Writer, in *Input) error {
	z := gzip.NewWriter(w)
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	err := e.Encode(fileHeader{fileFormat, fileVersion, in.Name, in.Server, in.Time})
	for i := 0; i < len(in.Objects) && err == nil; i++ {
		o := in.Objects[i]
		line := fileLine{Object: o.Root.AppendJSON(nil)}
		if !o.Key.Builtin() {
			line.Resource = o.Resource
		}
		for _, c := range o.Credentials {
			line.Credentials = append(line.Credentials, fileCredential{steps(c.Path), c.Type})
		}
		err = e.Encode(line)
	}
	if err != nil {
		return err
	}
	end := fileFooter{Objects: len(in.Objects), Resources: in.Resources}
	for _, g := range in.Gaps {
		end.Gaps = append(end.Gaps, fileGap{g.Kind.Group, g.Kind.Kind, g.Resource, g.Except, g.Reason, g.Told})
	}
	for _, p := range in.Problems {
		end.Problems = append(end.Problems, fileProblem{p.Reason, p.Hint})
	}
	if err := e.Encode(fileLine{End: &end}); err != nil {
		return err
	}
	return z.Close()
}

func steps(p tree.Path) []any {
	all := make([]any, len(p))
	for i, s := range p {
		if all[i] = s.Key; s.Key == "" {
			all[i] = s.Index
		}
	}
	return all
}

func pathOf(steps []any) (tree.Path, error) {
	p := make(tree.Path, len(steps))
	for i, s := range steps {
		switch s := s.(type) {
		case string:
			p[i].Key = s
		case float64:
			p[i].Index = int(s)
		default:
			return nil, errors.New("a path is damaged")
		}
	}
	return p, nil
}

// maxObjects bounds a saved cluster: a small file may hold any number of objects,
// as it is compressed. Clusters of the size that Kubernetes is made for have less
// than a tenth of them.
const maxObjects = 3_000_000

// maxFile bounds what a saved cluster decompresses to, in bytes.
const maxFile = 8 << 30

// Load reads what [Save] wrote. It refuses what is not whole, and what is larger
// than any cluster.
func Load(r io.Reader) (*Input, error) { return load(r, maxObjects, maxFile) }

func load(r io.Reader, most int, size int64) (*Input, error) {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return nil, errors.New("it is no saved cluster, which --save writes")
	}
	limited := &io.LimitedReader{R: z, N: min(maxObject, size)}
	l := loader{d: json.NewDecoder(limited), limited: limited, interner: tree.NewInterner(), most: most, size: size, left: size}
	in, err := l.load()
	if err == nil {
		return in, nil
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the file is cut off, after %d objects", l.count)
		switch {
		case limited.N > 0:
		case l.left < maxObject:
			err = fmt.Errorf("the file holds more than %d MiB", size>>20)
		default:
			err = fmt.Errorf("an object is larger than %d MiB", maxObject>>20)
		}
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		err = errors.New("the file is damaged: its checksum is wrong")
	}
	var own *formatError
	if errors.As(err, &own) {
		return nil, own
	}
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &wrong) {
		err = errors.New("the file is damaged")
	}
	return nil, err
}

// formatError says that the file is whole and not for us.
type formatError struct{ reason string }

func (e *formatError) Error() string { return e.reason }

type loader struct {
	d        *json.Decoder
	limited  *io.LimitedReader
	interner *tree.Interner
	count    int
	most     int   // objects
	size     int64 // bytes of the file, decompressed, at most
	left     int64 // of size, when the object began
}

func (l *loader) load() (*Input, error) {
	var header fileHeader
	if err := l.d.Decode(&header); err != nil {
		return nil, err
	}
	if _, ok := minor(header.Server); header.Format != fileFormat || !ok {
		return nil, &formatError{"it is no saved cluster, which --save writes"}
	}
	if header.Version != fileVersion {
		return nil, &formatError{fmt.Sprintf("the file has format %d, and this version of ullage reads format %d", header.Version, fileVersion)}
	}
	in := &Input{Name: header.Cluster, Server: header.Server, Time: header.Time}
	for {
		l.allow()
		var line fileLine
		if err := l.d.Decode(&line); err != nil {
			return nil, err
		}
		if line.End != nil {
			return in, l.end(in, line.End)
		}
		if l.count == l.most {
			return nil, &formatError{fmt.Sprintf("the file holds more than %d objects", l.most)}
		}
		o, err := l.object(in, &line)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", l.count+1, err)
		}
		in.Objects = append(in.Objects, o)
		l.count++
	}
}

// allow lets the next object be read, as far as the file may be that large.
func (l *loader) allow() {
	l.left -= min(maxObject, l.left) - l.limited.N
	l.limited.N = min(maxObject, l.left)
}

func (l *loader) object(in *Input, line *fileLine) (*model.Object, error) {
	root, err := tree.FromJSON(line.Object, nil)
	if err != nil {
		return nil, err
	}
	live := model.Live{Cluster: in.Name, Resource: line.Resource, Interner: l.interner}
	for _, c := range line.Credentials {
		path, err := pathOf(c.Path)
		if err != nil {
			return nil, err
		}
		live.Credentials = append(live.Credentials, model.Credential{Path: path, Type: c.Type})
	}
	apiVersion, kind := root.Get("apiVersion").Str(), root.Get("kind").Str()
	if kind == "Secret" && apiVersion == "v1" { // a file that was not written by Save
		if root, err = tree.FromJSON(line.Object, tree.Fields{"data": nil, "stringData": nil, "type": nil}); err != nil {
			return nil, err
		}
	}
	return newObject(root, apiVersion, kind, live)
}

// end takes the footer over and makes sure that nothing follows.
func (l *loader) end(in *Input, end *fileFooter) error {
	if end.Objects != len(in.Objects) {
		return fmt.Errorf("the file is damaged: it holds %d objects and says %d", len(in.Objects), end.Objects)
	}
	if err := l.d.Decode(&json.RawMessage{}); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("the file is damaged: something follows its end")
		}
		return err
	}
	in.Resources = end.Resources
	for _, g := range end.Gaps {
		in.Gaps = append(in.Gaps, model.Gap{Kind: model.GroupKind{Group: g.Group, Kind: g.Kind}, Resource: g.Plural, Except: g.Except, Reason: g.Reason, Told: g.Told})
	}
	for _, p := range end.Problems {
		in.Problems = append(in.Problems, model.Problem{Reason: p.Reason, Hint: p.Hint})
	}
	in.finish()
	return nil
}
