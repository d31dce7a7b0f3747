package scan

import "ullage.dev/ullage/internal/vuln"

// Upgrades are the changes that mend vulnerabilities of the image, the one that
// mends most first; nil when nothing was matched.
func (r *Result) Upgrades() []vuln.Upgrade {
	if r.Vulnerabilities == nil {
		return nil
	}
	layers := make([]int, len(r.Image.Packages))
	for i := range layers {
		layers[i] = r.Image.Packages[i].Layer
	}
	return r.Vulnerabilities.Upgrades(packagesToMatch(r.Image.Packages), layers)
}
