package cli

import (
	"context"
	"errors"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
)

// fixes shows or applies fixes.
func (f *checkFlags) fixes(ctx context.Context, p *Program, pl *plan, in *manifest.Input, r *model.Report) error {
	return errors.New("fixes are not wired yet")
}
