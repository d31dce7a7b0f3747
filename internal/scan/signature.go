package scan

import (
	"context"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/signature"
)

// look finds out who vouches for an image, when that was asked for. A source that
// is no image in a registry or layout holds no signatures: then nobody looked.
func (s *Scanner) look(ctx context.Context, source *image.Source) signature.Result {
	if s.Trust == nil {
		return signature.Result{State: signature.NotLookedFor}
	}
	beside, err := source.Attached()
	if err != nil {
		return signature.Result{State: signature.NotLookedFor, Why: err.Error()}
	}
	return signature.Look(ctx, beside, []string{source.Index, source.Manifest}, s.Trust)
}
