package scan

import (
	"context"
	"fmt"

	"ullage.dev/ullage/internal/image"
)

// compareBase holds an image against the one that it is said to be built on, which
// is found and not read.
func (s *Scanner) compareBase(ctx context.Context, img *image.Image) error {
	if s.Base == "" {
		return nil
	}
	o := s.Options
	if img.Platform != "" {
		o.Platform = img.Platform
	}
	base, err := image.Open(ctx, s.Base, o)
	if err != nil {
		return fmt.Errorf("base: %w", err)
	}
	img.CompareBase(base)
	return base.Close()
}
