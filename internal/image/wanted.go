package image

// wanted is the table of the files that the pass reads.
func wanted() []Interest {
	return append([]Interest{
		{Directory: "etc", Name: "os-release"},
		{Directory: "usr/lib", Name: "os-release"},
		{Directory: "etc", Name: "passwd", Most: 1 << 20},
	}, packageInterests()...)
}
