package image

import (
	"context"
	"io/fs"
	"os"
)

// overlayLayer reads the directory of one layer as an overlay file system has it.
func overlayLayer(dir string) func(context.Context, *layerPass, int) (*layerRead, error) {
	return func(ctx context.Context, p *layerPass, index int) (*layerRead, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			failed := &layerRead{}
			failed.problems.add("%v", err)
			return failed, nil
		}
		defer func() { _ = root.Close() }()
		return p.readDir(ctx, index, root, true)
	}
}

// whiteout takes what an overlay file system has for a file that is not there any
// more: a device of no kind.
func (w *dirWalk) whiteout(name string, info fs.FileInfo) bool {
	if !w.overlay || info.Mode().Type() != fs.ModeDevice|fs.ModeCharDevice || device(info) != 0 {
		return false
	}
	w.path, _ = hideNames(append(w.path[:0], name...))
	dir, base := splitPath(w.path)
	w.hide(dir, append([]byte(whiteoutPrefix), base...), base)
	return true
}

// hides reports whether a directory hides what lower layers have in it.
func hides(dir *os.File) bool {
	return attribute(dir, "trusted.overlay.opaque") == "y" || attribute(dir, "user.overlay.opaque") == "y"
}
