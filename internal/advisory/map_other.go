//go:build !unix

package advisory

import "os"

// mapped returns nil: the file is read page by page.
func mapped(*os.File, int64) (b []byte, unmap func()) { return nil, func() {} }
