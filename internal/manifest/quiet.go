package manifest

import (
	"io"
	"log"
	"os"
	"sync"
)

// The chart and kustomize libraries write to the standard logger, and warnings
// to os.Stderr; both may quote values. While one of them runs, that is dropped.
var quiet struct {
	sync.Mutex
	loggers, warners int // that run
	output           io.Writer
	stderr, null     *os.File
}

// quieten drops what libraries log until the function that it returns is called;
// with warnings also what they write to os.Stderr.
func quieten(warnings bool) (restore func()) {
	quiet.Lock()
	defer quiet.Unlock()
	if quiet.loggers++; quiet.loggers == 1 {
		quiet.output = log.Writer()
		log.SetOutput(io.Discard)
	}
	if warnings {
		if quiet.warners++; quiet.warners == 1 {
			if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
				quiet.stderr, quiet.null, os.Stderr = os.Stderr, null, null
			}
		}
	}
	return func() { loud(warnings) }
}

func loud(warnings bool) {
	quiet.Lock()
	defer quiet.Unlock()
	if quiet.loggers--; quiet.loggers == 0 {
		log.SetOutput(quiet.output)
	}
	if warnings {
		if quiet.warners--; quiet.warners == 0 && quiet.null != nil {
			os.Stderr = quiet.stderr
			quiet.null.Close()
			quiet.null = nil
		}
	}
}
